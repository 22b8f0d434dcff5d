"""From a batch to seconds, bytes and watts on one instance of the model."""
