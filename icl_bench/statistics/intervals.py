"""Means with studentised intervals over clusters, corrected for skewness."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from icl_bench.arrays import Array

STRAIGHT = 1e-9
"""Below this a skewness bends nothing, and its inverse would divide by 0."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean or ratio of means per column with its standard error and interval; NaN where there is none."""

    value: Array  # (column,)
    stderr: Array  # (column,)
    low: Array  # (column,)
    high: Array  # (column,)


def cluster_means(values: Array, cluster_size: int | None) -> tuple[Array, Array]:
    """Return the mean of each run of `cluster_size` rows and the clusters' weights; None puts all rows in one.

    values (row, column) -> means (cluster, column), weights (cluster,) summing to 1.
    """
    rows = values.shape[0]
    size = rows if cluster_size is None else cluster_size
    starts = np.arange(0, rows, size)
    counts = np.diff(np.append(starts, rows)).astype(np.float64)
    means = values if size == 1 else np.add.reduceat(values, starts, axis=0) / counts[:, None]
    return means, counts / rows


def student_t(degrees: float, confidence: float) -> float:
    """Return the two-sided quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + confidence / 2.0))


def mean_interval(values: Array, cluster_size: int | None = 1, confidence: float = 0.95) -> Estimate:
    """Return the mean of each column of `values` (row, column) with a studentised interval over clusters.

    The standard error is the cluster-robust one, with G - 1 degrees of freedom for G clusters (Cameron and Miller
    2015, section II); a single cluster gives a mean without interval. The interval is corrected for skewness (see
    `_skewed_quantiles`), since squared errors are skewed and clusters can be few.
    """
    means, weights = cluster_means(values, cluster_size)
    total = weights @ means
    clusters = means.shape[0]
    if clusters < 2:
        absent = np.full_like(total, np.nan)
        return Estimate(total, absent, absent, absent)
    influence = weights[:, None] * (means - total)  # (cluster, column)
    stderr = np.sqrt(clusters / (clusters - 1.0) * np.square(influence).sum(axis=0))
    below, above = _skewed_quantiles(influence, student_t(clusters - 1.0, confidence))
    return Estimate(total, stderr, total - above * stderr, total - below * stderr)


def _skewed_quantiles(influence: Array, reach: float) -> tuple[Array, Array]:
    """Return the lower and upper quantile of the studentised mean per column, given those of Student's t, -/+ `reach`.

    The studentised mean T of G clusters of skewness g is bent by the monotone cubic T + a T^2/3 + a^2 T^3/27 + a/6 with
    a = g / sqrt(G), after which it is symmetric to second order (Hall 1992, "On the removal of skewness by
    transformation", equation 4); this is its inverse at the quantiles.
    """
    clusters = influence.shape[0]
    spread = np.square(influence).mean(axis=0)
    skewness = (influence**3).mean(axis=0) / np.where(spread > 0.0, spread, 1.0) ** 1.5
    bend, lean = skewness / (3.0 * math.sqrt(clusters)), skewness / (6.0 * math.sqrt(clusters))
    curved = np.abs(bend) > STRAIGHT
    safe = np.where(curved, bend, 1.0)

    def bent(quantile: float) -> Array:
        root: Array = (np.cbrt(1.0 + 3.0 * safe * (quantile - lean)) - 1.0) / safe
        return np.where(curved, root, quantile)

    return bent(-reach), bent(reach)
