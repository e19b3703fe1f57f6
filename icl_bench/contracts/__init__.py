"""What a plugin of each kind must keep, as checks that name what is broken."""
