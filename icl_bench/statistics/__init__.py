"""Intervals, quantiles and tails: numpy in, numpy out."""
