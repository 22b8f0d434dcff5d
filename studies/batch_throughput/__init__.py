"""Throughput of both phases over the batch, Figure 6."""
