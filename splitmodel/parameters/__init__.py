"""Fitted parameters and the published profile, each with its provenance."""
