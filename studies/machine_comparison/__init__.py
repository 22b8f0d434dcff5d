"""One machine of either kind without batching, Table IV."""
