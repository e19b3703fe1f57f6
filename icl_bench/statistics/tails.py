"""The Hill estimate of a tail index, for losses whose tail no theory gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from icl_bench.arrays import Array, Flags, Floats

SMALLEST_SAMPLE = 100
"""Below this many rows a tail cannot be estimated."""


@dataclass(frozen=True, slots=True)
class Tails:
    """Tail index of each column, and which moments exist."""

    index: Array  # (column,)
    has_mean: Flags  # (column,)
    has_variance: Flags  # (column,)


def tails(known: Sequence[float | None] | None, values: Floats) -> Tails:
    """Return the tails of values (row, column): the exact index where theory gave it, else Hill's estimate.

    `known` holds None where theory gives none for the learner, NaN where the prompts' law itself declares nothing:
    there heavy tails are to be expected, and a mean must lie a standard error on the safe side.
    """
    rows, columns = values.shape
    index = np.array([np.nan if tail is None else tail for tail in known or [None] * columns], dtype=float)
    estimated = np.isnan(index)
    if estimated.any():
        index[estimated] = hill_index(values[:, estimated].astype(np.float64))
    undeclared = np.array([tail is not None and math.isnan(tail) for tail in known or [None] * columns], dtype=bool)
    doubt = np.where(undeclared, 1.0 - 1.0 / np.sqrt(tail_rows(rows)), 1.0)
    has_mean = has_moment(index * doubt, 1.0, rows, estimated)
    return Tails(index, has_mean, has_moment(index, 2.0, rows, estimated))


def tail_rows(rows: int) -> int:
    """Return how many of the largest values the Hill estimate uses: 5%, at least 10."""
    return max(10, rows // 20)


def has_moment(index: Array, order: float, rows: int, estimated: Flags) -> Flags:
    """Tell for each tail index whether the moment of `order` exists: the index exceeds it.

    An estimated index denies a moment above the first only when it does so at two standard errors (index / sqrt(k)
    for k tail values), since few tail values make light tails look heavy; whether the mean exists is judged by the
    estimate itself, because printing a mean that does not exist is the worse mistake.
    """
    slack = 1.0 + 2.0 / np.sqrt(tail_rows(rows)) if order > 1.0 else 1.0
    found: Flags = np.where(estimated, index * slack, index) > order
    return found


def hill_index(values: Array) -> Array:
    """Return the Hill (1975) estimate of each column's tail index from its largest 5% (row, column) -> (column,).

    Infinity for columns that are constant in the tail or too short to tell (fewer than 100 rows).
    """
    rows = values.shape[0]
    if rows < SMALLEST_SAMPLE:
        return np.full(values.shape[1], np.inf)
    top = tail_rows(rows)
    largest = np.partition(values, rows - top - 1, axis=0)[rows - top - 1 :]
    threshold = largest.min(axis=0)
    usable = threshold > 0.0
    ratio = np.where(usable, largest, 1.0) / np.where(usable, threshold, 1.0)
    mean_log = np.log(ratio).sum(axis=0) / top
    with np.errstate(divide="ignore"):
        return np.where(mean_log > 0.0, 1.0 / mean_log, np.inf)
