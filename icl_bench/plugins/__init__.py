"""Plugins: what one must look like, which there are, how one is found and built. Nothing here loads torch."""
