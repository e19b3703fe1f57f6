"""Tail indices of squared errors: which moments exist, and so which statistic may be printed.

None where the law does not declare what they follow from; infinity, without a finite one, where it declares that every
moment of covariates, functions and labels exists.
"""

from __future__ import annotations

import math

from icl_bench.laws.law import Parameters


def noise_limited_tail(parameters: Parameters) -> float | None:
    """Return the tail index of e^2 for a learner whose error is a polynomial in Gaussians and linear in the noise.

    Half the tail index of the noise: infinite (every moment exists) under Gaussian noise.
    """
    if parameters.no_tail:
        return math.inf if parameters.all_moments else None
    return None if parameters.noise_tail is None else parameters.noise_tail / 2.0


def label_tail(parameters: Parameters, error_tail: float | None) -> float | None:
    """Return the tail index of (prediction - label)^2 given that of (prediction - f)^2."""
    noise = noise_limited_tail(parameters)
    return None if error_tail is None or noise is None else min(error_tail, noise)


def least_squares_tail(parameters: Parameters, context_size: int) -> float | None:
    """Return the tail index of e^2 for min-norm least squares in a Gaussian design of rank r (THEORY, section 3).

    With noise it is (|n - r| + 1)/2, from the F law of the leverage: the mean exists iff |n - r| >= 2, the variance
    iff |n - r| >= 4. Without noise every moment exists. A query that does not share the context's covariance adds
    the tail of its inverse; the tail of the noise bounds all.
    """
    noise = noise_limited_tail(parameters)
    if noise is None:
        return None
    if parameters.noise_variance == 0.0 or context_size == 0:
        return noise  # |e| <= |w| |x_q|
    if parameters.no_tail or parameters.context_rank is None or parameters.inverse_tail is None:
        return None
    own = (abs(context_size - parameters.context_rank) + 1) / 2.0
    return min(own, noise, parameters.inverse_tail)
