"""Shifts of the context size."""
