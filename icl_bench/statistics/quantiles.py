"""Quantiles, and the order-statistic interval of the median, which holds whatever the tails."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Per column: 10%, 50% and 90% quantiles, and the interval of the median (NaN where rows are too few)."""

    q10: Array  # (column,)
    median: Array  # (column,)
    q90: Array  # (column,)
    median_low: Array  # (column,)
    median_high: Array  # (column,)


@cache
def median_ranks(count: int, confidence: float = 0.95) -> tuple[int, int] | None:
    """Return 0-based ranks (l, u) with P(X_(l) <= median <= X_(u)) >= confidence; None when `count` is too small.

    The number of observations below the median is Binomial(count, 1/2) (David and Nagaraja 2003, section 7.1).
    """
    from scipy.special import bdtr

    tail = (1.0 - confidence) / 2.0
    lower = int(np.searchsorted(bdtr(np.arange(count), count, 0.5), tail, side="right")) - 1
    if lower < 0:
        return None
    return lower, count - 1 - lower


def quantiles(values: Array, confidence: float = 0.95) -> Quantiles:
    """Return quantiles of each column of `values` (row, column), linear interpolation between order statistics."""
    ordered = np.sort(values, axis=0)
    q10, median, q90 = (_at(ordered, level) for level in (0.1, 0.5, 0.9))
    ranks = median_ranks(values.shape[0], confidence)
    if ranks is None:
        absent = np.full(values.shape[1], np.nan)
        return Quantiles(q10, median, q90, absent, absent)
    return Quantiles(q10, median, q90, ordered[ranks[0]], ordered[ranks[1]])


def _at(ordered: Array, level: float) -> Array:
    position = level * (ordered.shape[0] - 1)
    below = int(position)
    above = min(below + 1, ordered.shape[0] - 1)
    share = position - below
    result: Array = (1.0 - share) * ordered[below] + share * ordered[above]
    return result
