"""Means and ratios of means with studentised intervals over clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


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
    2015, section II); a single cluster gives a mean without interval.
    """
    means, weights = cluster_means(values, cluster_size)
    total = weights @ means
    return _with_interval(total, (weights[:, None] * (means - total)), confidence)


def ratio_interval(
    numerator: Array, denominator: Array, cluster_size: int | None = 1, confidence: float = 0.95
) -> Estimate:
    """Return mean(numerator)/mean(denominator) per column with a linearised studentised interval.

    The residuals of the delta method, numerator - ratio * denominator, are averaged within clusters (Cochran 1977,
    section 6.4). NaN where the denominator's mean is 0.
    """
    tops, weights = cluster_means(numerator, cluster_size)
    bottoms, _ = cluster_means(denominator, cluster_size)
    bottom = weights @ bottoms
    safe = np.where(bottom == 0.0, np.nan, bottom)
    ratio = (weights @ tops) / safe
    return _with_interval(ratio, weights[:, None] * (tops - ratio * bottoms) / safe, confidence)


def _with_interval(value: Array, influence: Array, confidence: float) -> Estimate:
    """`influence` (cluster, column) holds each cluster's weighted, centred contribution to the estimate."""
    clusters = influence.shape[0]
    if clusters < 2:
        absent = np.full_like(value, np.nan)
        return Estimate(value, absent, absent, absent)
    stderr = np.sqrt(clusters / (clusters - 1.0) * np.square(influence).sum(axis=0))
    reach = student_t(clusters - 1.0, confidence) * stderr
    return Estimate(value, stderr, value - reach, value + reach)
