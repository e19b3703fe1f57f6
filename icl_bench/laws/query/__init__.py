"""What moves queries alone: parts of a law that may see the query's own context, one a file."""
