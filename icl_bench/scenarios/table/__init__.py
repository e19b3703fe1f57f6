"""Shifts between the two sides of a real table."""
