"""Two runs on the same prompts: what got worse, what got better, and what cannot be told."""
