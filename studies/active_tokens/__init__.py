"""How few tokens a machine works on at a time, Figure 4."""
