"""The request-level tier: every request and every iteration of a cluster, compiled."""
