"""Published results, re-run and checked; imported as `splitmodel_studies`."""
