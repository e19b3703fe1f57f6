"""Shifts of the query alone."""
