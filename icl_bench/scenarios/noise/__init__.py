"""Shifts of the label noise."""
