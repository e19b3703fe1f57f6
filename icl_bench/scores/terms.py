"""What run-level scores are made of: a logarithm per severity with its influence, averaged over scenarios and axes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from icl_bench.arrays import Array
from icl_bench.scores.prompt_rows import Absence, CommonPrompts, Quantity, RiskPoint
from icl_bench.scores.records import AUSC, AXIS, POINT, SCENARIO, SDR, RunScore
from icl_bench.statistics.contrasts import contrast

LEAST_SHARE = 1e-3
"""kappa is at least this share of the risk of predicting zero."""


@dataclass(frozen=True, slots=True)
class ScoreTerms:
    """All that a run's scores rest on."""

    points: tuple[RiskPoint, ...]
    base: RiskPoint
    rows: CommonPrompts
    kappa: float
    factors: Mapping[str, tuple[str, ...]]  # joint shift -> its single shifts
    moved: tuple[RiskPoint, ...]

    def unshifted(self, scenario: str) -> RiskPoint:
        """Return a scenario's own unshifted point where the run has it, else the base's."""
        own = [point for point in self.points if point.place.scenario == scenario and point.place.identity]
        return own[0] if own else self.base


@dataclass(frozen=True, slots=True)
class Term:
    """A quantity per point that scores add up, linear in its influence."""

    point: RiskPoint
    value: float
    influence: Array  # (row,)
    has_variance: bool


def reference_point(points: Sequence[RiskPoint]) -> RiskPoint | None:
    """Return the unshifted point: the one without a dial, `base` by name if there are several."""
    unshifted = [point for point in points if point.place.identity and point.place.severities == (None,)]
    return min(unshifted, key=lambda point: point.place.scenario != "base", default=None)


def choose_kappa(noise_variance: float | None, rows: CommonPrompts, base: RiskPoint) -> tuple[float | None, str]:
    """Return max(s2, 1e-3 signal) and where it comes from; None, and why, where neither is known."""
    zero = rows.zero(base)
    least = LEAST_SHARE * zero.mean if isinstance(zero, Quantity) else 0.0
    if noise_variance and noise_variance >= least:
        return noise_variance, "noise variance"
    if least > 0.0:
        return least, f"{LEAST_SHARE:g} of the risk of predicting zero"
    return None, "neither the labels' noise nor the risk of predicting zero is known (metric zero_error)"


def sdr_and_ausc(asked: ScoreTerms, model: str, distances: dict[int, Term | Absence]) -> Iterator[RunScore]:
    """Yield SDR(s) = [(R(s)+kappa)/(R_B(s)+kappa)] / [same unshifted], and AUSC, the mean log10 of its first factor."""
    shifted = [point for point in asked.points if not point.place.identity]

    def degradation(members: Sequence[RiskPoint]) -> list[tuple[float, Term | Absence]]:
        against: list[tuple[float, Term | Absence]] = []
        terms = averaged(members, distances)
        for (weight, term), point in zip(terms, members, strict=True):
            unshifted = distances[id(asked.unshifted(point.place.scenario))]
            against += [(weight, term)] if isinstance(term, Absence) else [(weight, term), (-weight, unshifted)]
        return against

    for point in shifted:
        yield score(asked, SDR, model, POINT, [point], degradation([point]))
    for scope, members in groups(shifted):
        yield score(asked, SDR, model, scope, members, degradation(members))
    for scope, members in groups([point for point in asked.points if point is not asked.base]):
        yield score(asked, AUSC, model, scope, members, averaged(members, distances))


def groups(points: Sequence[RiskPoint]) -> Iterator[tuple[str, list[RiskPoint]]]:
    """Yield the points of every scenario, then those of every axis."""
    for scope in (SCENARIO, AXIS):
        held: dict[str, list[RiskPoint]] = {}
        for point in points:
            held.setdefault(point.place.scenario if scope == SCENARIO else point.place.axis, []).append(point)
        for members in held.values():
            yield scope, members


def averaged(members: Sequence[RiskPoint], terms: dict[int, Term | Absence]) -> list[tuple[float, Term | Absence]]:
    """Return the terms of points with weights that average the severities of each scenario, then the scenarios."""
    found = {id(point) for point in members if isinstance(terms[id(point)], Term)}
    counts: dict[str, int] = {}
    for point in members:
        if id(point) in found:
            counts[point.place.scenario] = counts.get(point.place.scenario, 0) + 1
    return [
        (1.0 / (counts[point.place.scenario] * len(counts)) if id(point) in found else 0.0, terms[id(point)])
        for point in members
    ]


def score(
    asked: ScoreTerms,
    name: str,
    model: str,
    scope: str,
    members: Sequence[RiskPoint],
    weighted: Sequence[tuple[float, Term | Absence]],
) -> RunScore:
    """Return the score that is the weighted sum of its terms; a term that lacks is left out, and counted."""
    first = members[0].place
    scenario = first.axis if scope == AXIS else first.scenario
    place = (name, model, scope, scenario, first.label if scope == POINT else "")
    lacking = [term.message for _, term in weighted if isinstance(term, Absence)]
    terms = [(weight, term) for weight, term in weighted if isinstance(term, Term)]
    n_possible = len(members)
    n_points = n_possible - len(lacking)
    if not terms or n_points < 1 or not any(weight > 0.0 for weight, _ in terms):
        return RunScore(*place, None, None, None, 0, n_possible, next(iter(lacking), "no severity has a value"))
    value = math.fsum(weight * term.value for weight, term in terms)
    influence = np.sum([weight * term.influence for weight, term in terms], axis=0)
    found = contrast(np.array([value]), influence[:, None], asked.rows.cluster_size([term.point for _, term in terms]))
    low, high = (float(end[0]) for end in found.interval())
    message = lacking[0] if lacking else ""
    # where nothing varies from prompt to prompt (the same losses twice), no variance is needed
    known = all(term.has_variance for _, term in terms) or not influence.any()
    if not known:
        message = message or "no interval: the variance of a risk does not exist (tail index <= 2)"
    elif math.isnan(low):
        message = message or "no interval: all prompts share one random draw"
    has_interval = known and not math.isnan(low)
    lower, upper = (_scaled(name, end) if has_interval else None for end in (low, high))
    return RunScore(*place, _scaled(name, value), lower, upper, n_points, n_possible, message)


def _scaled(name: str, value: float) -> float:
    if name == SDR:
        return math.exp(value)
    return value / math.log(10.0) if name == AUSC else value
