"""Many hypotheses at once: Holm's weighted p-values, and e-values under the closure of their mean."""

from __future__ import annotations

import numpy as np

from icl_bench.arrays import Array, Integers


def weighted_holm(p_values: Array, weights: Array) -> Array:
    """Return adjusted p-values (hypothesis,), in the order given; reject those at most alpha.

    Holm's (1979, section 4) weighted procedure: in the order of p / weight, each ratio times the weight of all that
    are not yet rejected, made increasing. The chance of any false rejection is at most alpha under every dependence.
    Weights need not sum to one; a hypothesis of weight 0 is never rejected. Raises ValueError for p-values that are NaN
    or outside [0, 1] and for weights that are negative or not finite.
    """
    if p_values.shape != weights.shape or p_values.ndim != 1:
        raise ValueError(f"expected one weight a p-value, got shapes {p_values.shape} and {weights.shape}")
    if not ((p_values >= 0.0) & (p_values <= 1.0)).all():
        raise ValueError("expected p-values from 0 to 1; leave out hypotheses that cannot be tested")
    if not (np.isfinite(weights) & (weights >= 0.0)).all():
        raise ValueError("expected weights that are finite and at least 0")
    weighted = weights > 0.0
    ratio = np.where(weighted, p_values, np.inf) / np.where(weighted, weights, 1.0)
    order = np.argsort(ratio, kind="stable")
    remaining = np.cumsum(weights[order][::-1])[::-1]
    tested = weighted[order]
    steps = np.where(tested, np.where(tested, ratio[order], 0.0) * remaining, 1.0)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def closed_e_values(e_log: Array) -> Array:
    """Return the log of adjusted e-values (hypothesis,) for log e-values; reject those at least log(1 / alpha).

    The closure of the arithmetic mean (Vovk and Wang 2021, Annals of Statistics 49(3), section 4): a hypothesis keeps
    the smallest mean over all sets that contain it, that is itself with the j smallest others for the best j. The next
    one is worth adding while it is below the mean so far, which holds up to some j and not after it: bisection finds
    it. The chance of any false rejection is at most alpha under every dependence, for e-processes at all times at once.
    Raises ValueError for NaN.
    """
    if np.isnan(e_log).any():
        raise ValueError("expected log e-values, got NaN; leave out hypotheses that were never looked at")
    count = e_log.shape[0]
    order = np.argsort(e_log, kind="stable")
    ordered = e_log[order]
    sums = np.concatenate([[-np.inf], np.logaddexp.accumulate(ordered)]) if count else np.zeros(0)

    def mean_with(others: Integers) -> Array:
        mean: Array = np.logaddexp(ordered, sums[others]) - np.log1p(others)
        return mean

    fewest, most = np.zeros(count, dtype=np.int64), np.arange(count, dtype=np.int64)
    while (fewest < most).any():
        middle = (fewest + most) // 2
        useful = (ordered[middle] < mean_with(middle)) & (fewest < most)
        fewest, most = np.where(useful, middle + 1, fewest), np.where(useful, most, middle)
    adjusted = np.empty_like(e_log)
    adjusted[order] = mean_with(fewest)
    return adjusted
