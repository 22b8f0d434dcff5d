"""Which conclusions survive a decode time that grows with its batch."""
