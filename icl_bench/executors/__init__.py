"""Where jobs run, one per file."""
