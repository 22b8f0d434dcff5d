"""Moving the KV cache between machines, Figures 11, 14 and 15."""
