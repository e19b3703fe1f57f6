"""Quantiles, and the order-statistic interval of the median, which holds whatever the tails."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from icl_bench.arrays import Array, Floats
from icl_bench.statistics.intervals import Estimate


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Per column: 10%, 50% and 90% quantiles, and the interval of the median (NaN where rows are too few)."""

    q10: Array  # (column,)
    median: Array  # (column,)
    q90: Array  # (column,)
    median_low: Array  # (column,)
    median_high: Array  # (column,)


@cache
def quantile_ranks(count: int, level: float, confidence: float = 0.95) -> tuple[int, int] | None:
    """Return 0-based ranks (l, u) with P(X_(l) <= quantile <= X_(u)) >= confidence; None when `count` is too small.

    The number of observations below the quantile at `level` is Binomial(count, level) (David and Nagaraja 2003, section
    7.1); each side may miss with half of what is left.
    """
    from scipy.special import bdtr, bdtrc

    tail, ranks = (1.0 - confidence) / 2.0, np.arange(count)
    lower = int(np.searchsorted(bdtr(ranks, count, level), tail, side="right")) - 1
    upper = int(np.searchsorted(-bdtrc(ranks, count, level), -tail))
    return None if lower < 0 or upper >= count else (lower, upper)


@cache
def median_ranks(count: int, confidence: float = 0.95) -> tuple[int, int] | None:
    """Return 0-based ranks (l, u) with P(X_(l) <= median <= X_(u)) >= confidence; None when `count` is too small.

    As `quantile_ranks` at 1/2, to the same rank on either side.
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


def ordered_quantiles(ordered: Floats, scale: Array, confidence: float = 0.95) -> Quantiles:
    """Return the quantiles of `ordered / scale`; each column of `ordered` (row, column) increases, `scale` is >= 0.

    Division keeps the order, so that one sorting serves every scale, in the precision that the values have.
    """
    ranks = median_ranks(ordered.shape[0], confidence)
    low, high = (np.full(len(scale), np.nan),) * 2 if ranks is None else [_row(ordered, rank) / scale for rank in ranks]
    q10, median, q90 = (_at(ordered, level, scale) for level in (0.1, 0.5, 0.9))
    return Quantiles(q10, median, q90, low, high)


def quantile_interval(ordered: Floats, level: float, confidence: float = 0.95) -> Estimate:
    """Return the quantile at `level` of each increasing column of `ordered` (row, column), with its interval.

    The interval is between order statistics, so it holds whatever the tails; rows must be independent. NaN where they
    are too few.
    """
    ranks = quantile_ranks(ordered.shape[0], level, confidence)
    absent = np.full(ordered.shape[1], np.nan)
    low, high = (absent, absent) if ranks is None else [_row(ordered, rank) for rank in ranks]
    return Estimate(_at(ordered, level, np.ones(ordered.shape[1])), absent, low, high)


def _row(ordered: Floats, index: int) -> Array:
    row: Array = ordered[index].astype(np.float64)
    return row


def _at(ordered: Floats, level: float, scale: Array) -> Array:
    """Return the quantile at `level` of `ordered / scale`, linear between order statistics."""
    rows = ordered.shape[0]
    position = level * (rows - 1)
    below = int(position)
    share = position - below
    above: Array = _row(ordered, min(below + 1, rows - 1)) / scale
    between: Array = (1.0 - share) * (_row(ordered, below) / scale) + share * above
    return between
