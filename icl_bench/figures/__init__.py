"""Figures for papers: one kind a file, drawn by matplotlib from what a report says."""
