"""The Hill estimate of a tail index, for losses whose tail no theory gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SMALLEST_SAMPLE = 100
"""Below this many rows a tail cannot be estimated."""


def hill_index(values: Array) -> Array:
    """Return the Hill (1975) estimate of each column's tail index from its largest 5% (row, column) -> (column,).

    Infinity for columns that are constant in the tail or too short to tell (fewer than 100 rows).
    """
    rows = values.shape[0]
    if rows < SMALLEST_SAMPLE:
        return np.full(values.shape[1], np.inf)
    top = max(10, rows // 20)
    largest = np.partition(values, rows - top - 1, axis=0)[rows - top - 1 :]
    threshold = largest.min(axis=0)
    usable = threshold > 0.0
    ratio = np.where(usable, largest, 1.0) / np.where(usable, threshold, 1.0)
    mean_log = np.log(ratio).sum(axis=0) / top
    with np.errstate(divide="ignore"):
        return np.where(mean_log > 0.0, 1.0 / mean_log, np.inf)
