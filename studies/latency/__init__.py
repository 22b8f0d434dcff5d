"""Latency of a request alone and in a batch, Figure 5."""
