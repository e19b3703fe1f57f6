"""One run: the plan asked block by block on workers, its folder, what is scored, and all of it tried beforehand."""
