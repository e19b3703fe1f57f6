"""How many prompts a mean of losses really rests on: few where some prompts make up most of it."""

from __future__ import annotations

import numpy as np

from icl_bench.arrays import Array, Floats
from icl_bench.statistics.intervals import cluster_means

FEWEST_EFFECTIVE = 30.0
"""Below this effective number a sample has missed, or is made of, the losses that its mean consists of."""


def effective_number(losses: Floats, cluster_size: int | None = 1) -> Array:
    """Return (sum l)^2 / sum l^2 (column,) of `losses` (prompt, column), over the means of clusters (Kish 1965).

    It is the number of prompts (clusters) where all losses are the same, 0 throughout included, and 1 where one makes
    up the whole mean. Signs are left out: of losses that can be negative it tells the same of their sizes.
    """
    means, _ = cluster_means(np.abs(np.asarray(losses, dtype=np.float64)), cluster_size)
    squares = np.einsum("ij,ij->j", means, means)
    some = squares > 0.0
    found: Array = np.where(some, np.square(means.sum(axis=0)) / np.where(some, squares, 1.0), float(means.shape[0]))
    return found
