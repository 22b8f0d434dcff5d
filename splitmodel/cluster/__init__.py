"""The analytic tier: pools → metrics."""
