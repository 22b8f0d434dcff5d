"""Measurements to fit: the published profile, or a CSV of one's own."""
