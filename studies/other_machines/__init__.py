"""Machines that the paper did not have, in either role."""
