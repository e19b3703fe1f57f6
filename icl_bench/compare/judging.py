"""Which changes are real: Holm's procedure over every cell and context size, and a verdict for each cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from icl_bench.arrays import Array
from icl_bench.compare.changes import CellChange
from icl_bench.statistics.multiplicity import weighted_holm
from icl_bench.statistics.non_inferiority import better_p_value, log_margin, smallest_detectable, worse_p_value

REGRESSION, IMPROVEMENT, UNDECIDED, NO_WORSE, EQUAL = "regression", "improvement", "undecided", "no worse", "equal"
VERDICTS = (REGRESSION, IMPROVEMENT, UNDECIDED, NO_WORSE, EQUAL)
"""What can be said of a cell, what is looked at first first."""

HEADLINE_SHARE = 0.5
"""Share of a cell's weight that its headline context size gets; the others divide the rest."""
CONFIDENCE = 0.95
POWER = 0.9


@dataclass(frozen=True, slots=True)
class JudgedCell:
    """A cell's change with what may be concluded from it; p-values are adjusted over all cells and sizes."""

    found: CellChange
    verdict: str
    low: Array  # (size,) lower end of the 95% interval of the log ratio, of this cell and size alone
    high: Array  # (size,)
    p_worse: Array  # (size,) adjusted
    p_better: Array  # (size,) adjusted
    detectable: float | None  # change to the worse at the headline size that has 90% power; None: no interval
    alpha: float

    @property
    def worse_sizes(self) -> tuple[int, ...]:
        """Context sizes with a significant change to the worse beyond the margin."""
        return self._sizes(self.p_worse)

    @property
    def better_sizes(self) -> tuple[int, ...]:
        """Context sizes with a significant change to the better beyond the margin."""
        return self._sizes(self.p_better)

    def _sizes(self, p_values: Array) -> tuple[int, ...]:
        return tuple(np.asarray(self.found.sizes)[p_values <= self.alpha].tolist())


def judge(changes: Sequence[CellChange], margin: float, alpha: float) -> tuple[JudgedCell, ...]:
    """Return every cell with its verdict.

    A regression is a rejected "the risk rose by at most the margin" at some context size, by Holm's weighted procedure
    over all cells and sizes with family-wise error at most alpha; an improvement is the same the other way. `no worse`
    has an interval that ends within the margin at the headline size, and `undecided` has none: too noisy to tell. Where
    more is better, a rise is the improvement and a fall the regression.
    """
    if not changes:
        return ()
    weights = [cell_weights(len(found.sizes), found.headline) / len(changes) for found in changes]
    together = np.concatenate(weights)
    ends = np.cumsum([len(found.sizes) for found in changes])[:-1]
    worse, better = (
        np.split(weighted_holm(np.concatenate([_testable(test(found, margin)) for found in changes]), together), ends)
        for test in (_worse, _better)
    )
    return tuple(
        _judged(found, p_worse, p_better, float(weight[found.headline]), margin, alpha)
        for found, p_worse, p_better, weight in zip(changes, worse, better, weights, strict=True)
    )


def _worse(found: CellChange, margin: float) -> Array:
    return (better_p_value if found.better_high else worse_p_value)(found.change, margin)


def _better(found: CellChange, margin: float) -> Array:
    return (worse_p_value if found.better_high else better_p_value)(found.change, margin)


def cell_weights(n_sizes: int, headline: int) -> Array:
    """Return the weights (size,) of a cell's context sizes, summing to 1: half for the headline, half for the rest."""
    if n_sizes == 1:
        return np.ones(1)
    weights = np.full(n_sizes, (1.0 - HEADLINE_SHARE) / (n_sizes - 1))
    weights[headline] = HEADLINE_SHARE
    return weights


def _testable(p_values: Array) -> Array:
    """Return 1 where there is no p-value because all prompts share one draw: such a change is never called real."""
    return np.where(np.isnan(p_values), 1.0, p_values)


def _judged(
    found: CellChange, p_worse: Array, p_better: Array, weight: float, margin: float, alpha: float
) -> JudgedCell:
    headline, change = found.headline, found.change
    low, high = change.interval(CONFIDENCE)
    if found.equal:
        verdict = EQUAL
    elif (p_worse <= alpha).any():
        verdict = REGRESSION
    elif (p_better <= alpha).any():
        verdict = IMPROVEMENT
    else:
        worst = -low[headline] if found.better_high else high[headline]
        verdict = NO_WORSE if worst <= log_margin(margin) else UNDECIDED
    detectable: float | None = None
    if not found.equal and np.isfinite(change.stderr[headline]):
        charge = np.broadcast_to(change.charge, change.value.shape)[headline]
        smallest = smallest_detectable(
            change.stderr[headline : headline + 1], change.degrees, margin, alpha * weight, POWER, charge
        )
        rise = float(smallest[0])
        detectable = rise / (1.0 + rise) if found.better_high else rise  # a fall of that share is the same ratio
    return JudgedCell(found, verdict, low, high, p_worse, p_better, detectable, alpha)
