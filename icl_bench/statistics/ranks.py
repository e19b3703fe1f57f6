"""Rank intervals from all pairs: how many are surely better, and how many surely worse.

Simultaneous over all ranked (Mogstad, Romano, Shaikh and Wilhelm 2024, "Inference for ranks", section 3): with Holm's
procedure over every pair, the chance that any interval misses its rank is at most alpha. There are no tie groups, which
chain; what is not told apart has intervals that overlap.
"""

from __future__ import annotations

import numpy as np

from icl_bench.arrays import Array, Integers
from icl_bench.statistics.multiplicity import weighted_holm
from icl_bench.statistics.skill import MeanSkills

ALPHA = 0.05
CANCELLED = 1e-6
"""Below this share of its parts a sum of squared differences is computed from the differences themselves."""


def rank_intervals(skills: MeanSkills, alpha: float = ALPHA) -> tuple[Integers, Integers]:
    """Return the lowest and highest rank (model,) that each may have, 1 is best; with one row every rank is open."""
    count = len(skills.score)
    better, worse = _pairs(skills.score)
    if count < 2 or skills.down.shape[0] < 2:
        return np.ones(count, dtype=np.int64), np.full(count, count, dtype=np.int64)
    significant = weighted_holm(pair_p_values(skills, better, worse), np.ones(len(better))) <= alpha
    above = np.bincount(worse[significant], minlength=count)
    below = np.bincount(better[significant], minlength=count)
    return 1 + above, count - below


def _pairs(score: Array) -> tuple[Integers, Integers]:
    """Return the models of every pair, the one with the higher score first."""
    one, other = np.triu_indices(len(score), k=1)
    swapped = score[one] < score[other]
    return np.where(swapped, other, one), np.where(swapped, one, other)


def pair_p_values(skills: MeanSkills, better: Integers, worse: Integers) -> Array:
    """Return the p-values (pair,) of "`better` is no better than `worse`", two-sided, at most 1.

    The better one is charged one prompt at the cap more, as its own interval is.
    """
    from scipy.special import stdtr

    rows = skills.down.shape[0]
    gap = skills.score[better] - skills.score[worse]
    charge = skills.charge[better]
    scale = np.sqrt((_squared_differences(skills, better, worse) + charge**2) / (rows * (rows + 1.0)))
    beyond = gap - charge / (rows + 1.0)
    known = scale > 0.0
    p_values = 2.0 * stdtr(rows - 1.0, -beyond / np.where(known, scale, 1.0))
    found: Array = np.where(gap == 0.0, 1.0, np.where(known, np.minimum(p_values, 1.0), 0.0))
    return found


def _squared_differences(skills: MeanSkills, better: Integers, worse: Integers) -> Array:
    """Return the sum over rows of (down of the better - up of the worse)^2 (pair,)."""
    down, up = np.square(skills.down).sum(axis=0)[better], np.square(skills.up).sum(axis=0)[worse]
    total: Array = down + up - 2.0 * (skills.down.T @ skills.up)[better, worse]
    for pair in np.flatnonzero(total < CANCELLED * (down + up)):
        total[pair] = np.square(skills.down[:, better[pair]] - skills.up[:, worse[pair]]).sum()
    return total
