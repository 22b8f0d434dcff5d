"""Clusters of equal cost for conversation, Figures 16 to 18."""
