"""Trainable networks: token mixers, the causal stack they are put in, and how prompts become tokens. Plain torch."""
