"""Run-level scores: how much a learner loses under shift, as few numbers with intervals. No torch."""
