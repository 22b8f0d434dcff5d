"""Memory of both phases over the batch, Figure 7."""
