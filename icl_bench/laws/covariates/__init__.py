"""What covariates are drawn from: parts of a law that move them, one a file."""
