"""What a power cap does to both phases, Figure 9."""
