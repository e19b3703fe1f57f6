"""Prompt laws and their parts; drawing happens here and nowhere else."""
