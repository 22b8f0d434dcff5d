"""Llama2-70B on clusters that were sized for BLOOM-176B."""
