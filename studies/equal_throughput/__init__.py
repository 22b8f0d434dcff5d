"""The least power, and the least cost, that serve as much as Baseline-H100, Figure 19."""
