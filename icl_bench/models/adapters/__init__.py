"""Learners that live elsewhere."""
