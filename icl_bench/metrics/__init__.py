"""Losses per query, one per file."""
