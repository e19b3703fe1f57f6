"""Shifts of the covariates of context and query."""
