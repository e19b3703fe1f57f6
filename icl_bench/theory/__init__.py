"""Exact risks and tail indices: formula above the code, source in the docstring."""
