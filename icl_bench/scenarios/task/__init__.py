"""Shifts of the task prior."""
