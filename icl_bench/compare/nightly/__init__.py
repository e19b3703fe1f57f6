"""The nightly gate: evidence that is gathered over nights and may be looked at after each."""
