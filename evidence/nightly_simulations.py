"""A year of nightly looks: how often the sequential gate cries wolf, and how long it takes to find a rise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evidence.comparison_simulations import Pair, drawn_pair
from icl_bench.arrays import Array, Integers
from icl_bench.compare.limits import RELATIVE_FLOOR
from icl_bench.statistics.contrasts import adverse_change
from icl_bench.statistics.multiplicity import closed_e_values
from icl_bench.statistics.sequential import LIKELY_RISE, MixtureState

NIGHTS = 365
CELLS = 24
ALPHA = 0.05
MARGIN = 0.01


BATCH = 100
"""Nights drawn at once."""


@dataclass(frozen=True, slots=True)
class Bank:
    """Simulated nights of one cell compared by means, to draw from with replacement, and their degrees.

    Log ratios enter less the charge of one adverse prompt (compare/nightly/gate.py).
    """

    value: Array  # (night,)
    stderr: Array  # (night,)
    degrees: float


def bank(laws: Pair, seed: int, nights: int, prompts: int) -> Bank:
    """Return `nights` nights of `prompts` prompts without a change; two equal laws also with base and head exchanged.

    The exchange makes the bank's mean before the charge exactly 0, so that drawing from a finite bank adds no drift.
    """
    generator = np.random.default_rng(seed)
    values, errors = [], []
    for _ in range(max(nights // BATCH, 1)):
        base, head = drawn_pair(laws, generator, prompts, BATCH, 1)
        found = adverse_change(base, head, RELATIVE_FLOOR)
        sides = (1.0, -1.0) if laws[0] == laws[1] else (1.0,)
        values += [side * found.value - found.charge for side in sides]
        errors += [found.stderr for _ in sides]
    return Bank(np.concatenate(values), np.concatenate(errors), prompts - 1.0)


def first_alarms(
    drawn: Bank, seed: int, repetitions: int, truth: Array, scale: float = LIKELY_RISE, nights: int = NIGHTS
) -> Integers:
    """Return the night of the first alarm in each of `repetitions` years, `nights` + 1 where there is none.

    `truth` (cell,) is each cell's log ratio. An alarm is any rejection by the closure of the mean of e-values.
    """
    generator = np.random.default_rng(seed)
    cells = truth.shape[0]
    state = MixtureState.empty(repetitions * cells)
    first = np.full(repetitions, nights + 1)
    threshold = -math.log(ALPHA)
    for night in range(1, nights + 1):
        pick = generator.integers(0, drawn.value.size, (repetitions, cells))
        moved = (drawn.value[pick] + truth).ravel()
        state = state.updated(moved, drawn.stderr[pick].ravel(), MARGIN, drawn.degrees)
        e_log = state.log_e(scale).reshape(repetitions, cells)
        # the closure can reject only where the mean of all e-values does, which is quick to see
        possible = np.logaddexp.reduce(e_log, axis=1) - math.log(cells) >= threshold
        for repetition in np.flatnonzero(possible & (first > nights)):
            if closed_e_values(e_log[repetition]).max() >= threshold:
                first[repetition] = night
    return first


def alarm_nights(estimate: Array, stderr: Array, degrees: float, margin: float, alpha: float) -> Integers:
    """Return the night of each cell's alarm (cell,), one more than there are nights where none is raised.

    `estimate` and `stderr` (night, cell) are of one state. All cells are there from the first night on.
    """
    nights, cells = estimate.shape
    state, threshold = MixtureState.empty(cells), -math.log(alpha)
    first = np.full(cells, nights + 1)
    for night in range(nights):
        state = state.updated(estimate[night], stderr[night], margin, degrees)
        e_log = state.log_e()
        if np.logaddexp.reduce(e_log) - math.log(cells) >= threshold:
            first = np.where((closed_e_values(e_log) >= threshold) & (first > nights), night + 1, first)
    return first


def one_cell_worse(rise: float, cells: int = CELLS) -> Array:
    """Return the truth (cell,) in which one cell is `rise` beyond the margin and the others did not change."""
    truth = np.zeros(cells)
    truth[0] = math.log1p(MARGIN) + math.log1p(rise)
    return truth


def fixed_test_nights(stderr: float, rise: float, power: float) -> float:
    """Return the nights that a test at one night chosen beforehand needs: ((z_alpha/24 + z_power) stderr / rise)^2."""
    from scipy.special import ndtri

    reach = float(ndtri(1.0 - ALPHA / CELLS) + ndtri(power))
    return max((reach * stderr / math.log1p(rise)) ** 2, 1.0)
