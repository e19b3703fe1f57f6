"""Attention layers with weights known in closed form."""
