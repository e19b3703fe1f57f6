"""Suite and plan: TOML text in, frozen records out, every problem told with its line. No torch."""
