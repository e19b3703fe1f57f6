"""Is a change worse than a margin allows, and how small a change could have been found?

A margin of 5% stands for log(1.05) on the log scale, upwards and downwards: worse means a ratio above 1.05, better one
below 1 / 1.05. So exchanging base and head exchanges the two answers, and the same margin means the same on every scale
of losses.
"""

from __future__ import annotations

import math

import numpy as np

from icl_bench.arrays import Array
from icl_bench.errors import UsageError
from icl_bench.statistics.contrasts import Contrast

FLOAT32_SLACK = 1e-6
"""Log ratios this far beyond a margin count as on it: losses are stored in single precision."""


def log_margin(margin: float) -> float:
    """Return log(1 + margin), the margin on the log scale; UsageError unless margin is a number of at least 0."""
    if not (math.isfinite(margin) and margin >= 0.0):
        raise UsageError(f"expected a margin of at least 0 (0.05 allows 5%), got {margin}")
    return math.log1p(margin)


def worse_p_value(change: Contrast, margin: float) -> Array:
    """Return one-sided p-values (column,) of "the ratio is at most 1 + margin"; small ones say that head is worse.

    Student's t of the log ratio with the contrast's degrees (non-inferiority: Wellek 2010, section 1.3). With a
    standard error of 0, and for an infinite change, the value itself decides: 0 beyond the margin, 1 within it. NaN
    where there is no standard error.
    """
    return _upper_tail(change.value - change.charge - log_margin(margin), change)


def better_p_value(change: Contrast, margin: float) -> Array:
    """Return one-sided p-values (column,) of "the ratio is at least 1 / (1 + margin)"; small ones: head is better."""
    return _upper_tail(-change.value - change.charge - log_margin(margin), change)


def _upper_tail(excess: Array, change: Contrast) -> Array:
    """Return P(T >= (excess - slack) / stderr) (column,)."""
    from scipy.special import stdtr

    beyond = excess - FLOAT32_SLACK
    certain = (change.stderr == 0.0) | np.isinf(beyond)
    score = np.where(certain, 0.0, beyond) / np.where(certain, 1.0, change.stderr)
    decided = np.where(np.isnan(beyond), np.nan, np.where(beyond > 0.0, 0.0, 1.0))
    return np.where(certain, decided, stdtr(change.degrees, -score))


def smallest_detectable(
    stderr: Array, degrees: float, margin: float, alpha: float, power: float = 0.9, charge: Array | float = 0.0
) -> Array:
    """Return the rise (ratio - 1) (column,) that `worse_p_value` finds at level `alpha` with chance `power`.

    exp(log(1 + margin) + charge + (t_(1 - alpha) + t_power) stderr) - 1 with Student's quantiles (Chow, Shao and Wang
    2008, section 3.2). For a gate with Holm give the level of its first step, alpha times the hypothesis's share of the
    weights. UsageError unless alpha and power lie between 0 and 1.
    """
    from scipy.special import stdtrit

    if not (0.0 < alpha < 1.0 and 0.0 < power < 1.0):
        raise UsageError(f"expected alpha and power between 0 and 1, got {alpha} and {power}")
    reach = stdtrit(degrees, 1.0 - alpha) + stdtrit(degrees, power)
    return np.expm1(log_margin(margin) + FLOAT32_SLACK + charge + reach * stderr)
