"""The analytic tier held against the request-level one, over a designed space of clusters."""
