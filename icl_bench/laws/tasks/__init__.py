"""Task priors made of other task priors, one a file."""
