"""The hardware of the paper, Table I, beside the catalogue."""
