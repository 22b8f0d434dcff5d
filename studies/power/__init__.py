"""Power of both phases over the batch, Figure 8."""
