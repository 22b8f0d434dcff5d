"""Operation counts of an iteration, and the bound that turns counts into seconds."""
