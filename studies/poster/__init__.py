"""The table of the poster."""
