"""Queueing approximations, each alone in its file and tested against a known result."""
