"""Shifts, one per file, in folders by axis."""
