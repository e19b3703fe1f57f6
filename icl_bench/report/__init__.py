"""Finished tables as text."""
