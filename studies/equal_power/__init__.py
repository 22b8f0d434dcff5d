"""Clusters of equal power for conversation, Figures 16 to 18."""
