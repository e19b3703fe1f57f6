"""What lies between the true prompt and the one that a model sees, one a file."""
