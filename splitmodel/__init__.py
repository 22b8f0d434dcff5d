"""Which machines, how many, in which roles? The whole public API."""
