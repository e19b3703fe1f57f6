"""The worst of several groups: the largest (or smallest) of their means, with an interval that knows it was chosen."""

from __future__ import annotations

import numpy as np

from icl_bench.arrays import Array, Integers
from icl_bench.statistics.intervals import Estimate, mean_interval


def worst_group(values: Array, groups: Integers, lower_is_better: bool, confidence: float = 0.95) -> Estimate:
    """Return the worst of the groups' means of each column of `values` (row, column); `groups` (row,) numbers them.

    The interval is simultaneous: with every group's own at 1 - (1 - confidence) / G for G groups (Bonferroni), all hold
    at once with `confidence`, and then the worst mean lies between the worst of their lower ends and the worst of their
    upper ends. A group of one row leaves no interval. No standard error is given: the worst of means has no normal law.
    """
    numbers = np.unique(groups)
    each = 1.0 - (1.0 - confidence) / len(numbers)
    found = [mean_interval(values[groups == number], 1, each) for number in numbers]
    worst = np.max if lower_is_better else np.min
    ends = [np.stack([getattr(estimate, name) for estimate in found]) for name in ("value", "low", "high")]
    value, low, high = (worst(end, axis=0) for end in ends)  # NaN where a group has no interval
    return Estimate(value, np.full_like(value, np.nan), low, high)
