"""From stored losses to scores: rows, run-level scores, changes, and what readers make of rows. No torch."""
