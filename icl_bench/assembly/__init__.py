"""From names and numbers to laws, one concern a file."""
