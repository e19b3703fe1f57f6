"""From a run's tables to what people read: one summary, one renderer per format. Reads tables only, no torch."""
