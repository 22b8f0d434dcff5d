"""Where phase splitting stops paying: short prompts, few machines, slow networks."""
