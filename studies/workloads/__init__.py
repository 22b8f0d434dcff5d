"""Sizes of the requests of two production services, Figure 3."""
