"""Quantiles, and the order-statistic interval of the median, which holds whatever the tails."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

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
    return ordered_quantiles(np.sort(values, axis=0), np.ones(values.shape[1]), confidence)


def ordered_quantiles(ordered: NDArray[np.floating[Any]], scale: Array, confidence: float = 0.95) -> Quantiles:
    """Return the quantiles of `ordered / scale`; each column of `ordered` (row, column) increases, `scale` is >= 0.

    Division keeps the order, so that one sorting serves every scale, in the precision that the values have.
    """
    rows = ordered.shape[0]

    def row(index: int) -> Array:
        divided: Array = ordered[index].astype(np.float64) / scale
        return divided

    def at(level: float) -> Array:
        position = level * (rows - 1)
        below = int(position)
        share = position - below
        between: Array = (1.0 - share) * row(below) + share * row(min(below + 1, rows - 1))
        return between

    ranks = median_ranks(rows, confidence)
    low, high = (np.full(len(scale), np.nan),) * 2 if ranks is None else (row(ranks[0]), row(ranks[1]))
    return Quantiles(at(0.1), at(0.5), at(0.9), low, high)
