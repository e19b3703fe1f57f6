"""Classical estimators."""
