"""How a fit does on configurations that it has not seen, beside simpler ways to predict."""
