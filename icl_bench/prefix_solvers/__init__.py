"""Answers of the linear learners at every context size at once."""
