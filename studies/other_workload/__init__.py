"""Conversation on clusters that were sized for coding."""
