"""Traced programs, kept for the next process."""
