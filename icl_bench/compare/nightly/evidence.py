"""What all looks of a nightly gate add up to: an e-process per cell, combined over cells, replayed from the looks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from icl_bench.arrays import Array
from icl_bench.compare.cells import ComparedCell
from icl_bench.compare.nightly.state import Night, NightlyState
from icl_bench.statistics.multiplicity import closed_e_values
from icl_bench.statistics.non_inferiority import log_margin
from icl_bench.statistics.sequential import MixtureState


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one watched cell stands after all looks."""

    cell: ComparedCell
    statistic: str
    nights: int
    n_prompts: int
    log_e: float  # adjusted over all cells; an alarm from log(1 / alpha) on
    log_change: float  # pooled over the nights; NaN before the first
    stderr: float
    alarmed: str  # time of the look that raised the alarm; empty without one


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Per cell: its e-process, what it starts from, and when it raised an alarm."""

    mixture: MixtureState
    start: Array  # log of the e-value with which a cell joined
    joined: int
    adjusted: Array
    alarmed: tuple[str, ...]


def standings(state: NightlyState) -> tuple[Standing, ...]:
    """Return where every cell stands, replayed look by look, so that a past alarm is found again.

    A cell's e-process is `sequential.MixtureState`; cells are combined by the closure of the mean, with family-wise
    error at most alpha at all looks together (Ville's inequality holds for the mean of any set of cells without a
    rise). A cell that joins later starts from the smallest e-value of those that are there, at most 1: so no mean over
    a set of cells ever jumps up by its joining.
    """
    count = len(state.cells)
    evidence = _Evidence(MixtureState.empty(count), np.zeros(count), 0, np.zeros(count), ("",) * count)
    for look in state.looks:
        evidence = _after(evidence, look, state)
    nights, rows = np.zeros(count, dtype=int), np.zeros(count, dtype=int)
    for look in state.looks:
        for value in look.values:
            nights[value.index] += 1
            rows[value.index] += value.n_prompts
    mixture = evidence.mixture
    with np.errstate(divide="ignore", invalid="ignore"):
        change = mixture.score / mixture.information + log_margin(state.margin)
        stderr = 1.0 / np.sqrt(mixture.information)
    return tuple(
        Standing(
            watched.cell,
            watched.statistic,
            int(nights[index]),
            int(rows[index]),
            float(evidence.adjusted[index]),
            float(change[index]),
            float(stderr[index]),
            evidence.alarmed[index],
        )
        for index, watched in enumerate(state.cells)
    )


def _after(evidence: _Evidence, look: Night, state: NightlyState) -> _Evidence:
    """Return the evidence after one more look."""
    joined = max([evidence.joined, *(value.index + 1 for value in look.values)])
    start = evidence.start.copy()
    before = evidence.mixture.log_e(state.scale) + start
    start[evidence.joined : joined] = min(0.0, *before[: evidence.joined]) if evidence.joined else 0.0
    mixture = evidence.mixture
    for degrees in sorted({value.degrees for value in look.values}):
        estimate, stderr = np.full(len(start), np.nan), np.full(len(start), np.nan)
        for value in look.values:
            if value.degrees == degrees:
                estimate[value.index], stderr[value.index] = value.estimate, value.stderr
        mixture = mixture.updated(estimate, stderr, state.margin, degrees)
    adjusted = np.zeros(len(start))
    adjusted[:joined] = closed_e_values((mixture.log_e(state.scale) + start)[:joined])
    threshold = math.log(1.0 / state.alpha)
    alarmed = tuple(
        earlier or (look.time if log_e >= threshold else "")
        for earlier, log_e in zip(evidence.alarmed, adjusted.tolist(), strict=True)
    )
    return _Evidence(mixture, start, joined, adjusted, alarmed)
