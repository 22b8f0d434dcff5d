"""Three ways of batching on one machine, Figure 2."""
