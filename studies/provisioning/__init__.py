"""The space of splits and its cheapest point, Figure 12."""
