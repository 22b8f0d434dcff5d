"""The two promises of the abstract."""
