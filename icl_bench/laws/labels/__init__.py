"""Label noise, and parts of a law that change labels, one a file."""
