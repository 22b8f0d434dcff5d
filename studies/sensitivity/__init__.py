"""What the best clusters are sensitive to: elasticities by gradient."""
