"""Run-level scores from a run's losses: SDR, AUSC, frozen-prior gap, and interaction of joint shifts.

All are taken at the context size that a prompt of the training length has, and rest on the same prompts at every
severity, so that the error of a difference is far below that of its parts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from icl_bench.errors import TableError
from icl_bench.run_scores.points import (
    BAYES,
    EXCESS,
    FROZEN,
    ZERO,
    Absence,
    PromptRows,
    Quantity,
    RiskPoint,
    prompt_rows,
    read_points,
    signal,
)
from icl_bench.run_scores.records import AUSC, AXIS, GAP, INTERACTION, POINT, SCENARIO, SDR, RunScore, RunScores
from icl_bench.statistics.contrasts import contrast
from icl_bench.tables.loss_sets import Losses
from icl_bench.tables.losses import open_losses
from icl_bench.tables.schema import PROMPTS

Array = NDArray[np.float64]
LEAST_SHARE = 1e-3
"""kappa is at least this share of the risk of predicting zero."""
SAME_ANSWER = 1e-6
"""Two Bayes predictions that differ by less, over the risk of predicting zero, are one (losses are float32)."""


def run_scores(folder: Path) -> RunScores:
    """Return the run-level scores of a run folder; none, with a note, where its losses were not kept.

    Raises TableError when a loss table is damaged.
    """
    try:
        losses = open_losses(folder)
    except TableError:
        if any((folder / "losses").glob("*.parquet")):
            raise
        return RunScores(None, "", (), "no run-level scores: the losses of this run were not kept")
    return scores_of(losses)


def scores_of(losses: Losses) -> RunScores:
    """Return the run-level scores of a run or baseline."""
    points = read_points(losses)
    base = _reference(points)
    if base is None:
        return RunScores(None, "", (), "no run-level scores: the run has no unshifted reference (scenario base)")
    rows = prompt_rows(points)
    kappa, source = _kappa(losses.manifest.noise_variance, signal(rows, base))
    if kappa is None:
        return RunScores(None, "", (), f"no run-level scores: {source}")
    models = [
        model
        for model in losses.manifest.models
        if any(place.cells[model].status != "missing" for place in losses.sets)
    ]
    asked = _Asked(points, base, rows, kappa, losses.manifest.factors, _moved(points, models))
    return RunScores(kappa, source, tuple(score for model in models for score in _model_scores(asked, model)))


def _reference(points: Sequence[RiskPoint]) -> RiskPoint | None:
    unshifted = [point for point in points if point.identity and point.severities == (None,)]
    return min(unshifted, key=lambda point: point.scenario != "base", default=None)


def _kappa(noise_variance: float | None, zero: Quantity | Absence) -> tuple[float | None, str]:
    """Return max(s2, 1e-3 signal) and where it comes from; None, and why, where neither is known."""
    least = LEAST_SHARE * zero.mean if isinstance(zero, Quantity) else 0.0
    if noise_variance and noise_variance >= least:
        return noise_variance, "noise variance"
    if least > 0.0:
        return least, f"{LEAST_SHARE:g} of the risk of predicting zero"
    return None, "neither the labels' noise nor the risk of predicting zero is known (metric zero_error)"


def _moved(points: Sequence[RiskPoint], models: Sequence[str]) -> tuple[RiskPoint, ...]:
    """Return the points whose Bayes prediction is not that of the training law: where the two can be told apart."""

    def told_apart(point: RiskPoint) -> bool:
        for values in point.values:
            zero = values.get((PROMPTS, ZERO))
            for model in models:
                own, frozen = values.get((model, EXCESS)), values.get((model, FROZEN))
                if zero is not None and own is not None and frozen is not None:
                    return bool(np.abs(own - frozen).max() > SAME_ANSWER * zero.mean())
        return False

    return tuple(point for point in points if told_apart(point))


@dataclass(frozen=True, slots=True)
class _Asked:
    """All that a run's scores rest on."""

    points: tuple[RiskPoint, ...]
    base: RiskPoint
    rows: PromptRows
    kappa: float
    factors: Mapping[str, tuple[str, ...]]  # joint shift -> its single shifts
    moved: tuple[RiskPoint, ...]

    def unshifted(self, scenario: str) -> RiskPoint:
        """Return a scenario's own unshifted point where the run has it, else the base's."""
        own = [point for point in self.points if point.scenario == scenario and point.identity]
        return own[0] if own else self.base


@dataclass(frozen=True, slots=True)
class _Term:
    """A quantity per point that scores add up, linear in its influence."""

    point: RiskPoint
    value: float
    influence: Array  # (row,)
    has_variance: bool


def _model_scores(asked: _Asked, model: str) -> Iterator[RunScore]:
    distances = {id(point): _distance(asked, model, point) for point in asked.points}
    yield from _sdr_and_ausc(asked, model, distances)
    gaps = {id(point): _gap(asked, model, point) for point in asked.moved}
    for point in asked.moved:
        yield _score(asked, GAP, model, POINT, [point], [(1.0, gaps[id(point)])])
    for scope, members in _groups(asked.moved):
        yield _score(asked, GAP, model, scope, members, _averaged(members, gaps))
    for point in asked.points:
        if point.scenario in asked.factors:
            yield _interaction(asked, model, point)


def _sdr_and_ausc(asked: _Asked, model: str, distances: dict[int, _Term | Absence]) -> Iterator[RunScore]:
    """Yield SDR(s) = [(R(s)+kappa)/(R_B(s)+kappa)] / [same unshifted], and AUSC, the mean log10 of its first factor."""
    shifted = [point for point in asked.points if not point.identity]

    def degradation(members: Sequence[RiskPoint]) -> list[tuple[float, _Term | Absence]]:
        against: list[tuple[float, _Term | Absence]] = []
        terms = _averaged(members, distances)
        for (weight, term), point in zip(terms, members, strict=True):
            reference = distances[id(asked.unshifted(point.scenario))]
            against += [(weight, term)] if isinstance(term, Absence) else [(weight, term), (-weight, reference)]
        return against

    for point in shifted:
        yield _score(asked, SDR, model, POINT, [point], degradation([point]))
    for scope, members in _groups(shifted):
        yield _score(asked, SDR, model, scope, members, degradation(members))
    for scope, members in _groups([point for point in asked.points if point is not asked.base]):
        yield _score(asked, AUSC, model, scope, members, _averaged(members, distances))


def _groups(points: Sequence[RiskPoint]) -> Iterator[tuple[str, list[RiskPoint]]]:
    """Yield the points of every scenario, then those of every axis."""
    for scope in (SCENARIO, AXIS):
        held: dict[str, list[RiskPoint]] = {}
        for point in points:
            held.setdefault(point.scenario if scope == SCENARIO else point.axis, []).append(point)
        for members in held.values():
            yield scope, members


def _averaged(members: Sequence[RiskPoint], terms: dict[int, _Term | Absence]) -> list[tuple[float, _Term | Absence]]:
    """Return the terms of points with weights that average the severities of each scenario, then the scenarios."""
    found = {id(point) for point in members if isinstance(terms[id(point)], _Term)}
    counts: dict[str, int] = {}
    for point in members:
        if id(point) in found:
            counts[point.scenario] = counts.get(point.scenario, 0) + 1
    return [
        (1.0 / (counts[point.scenario] * len(counts)) if id(point) in found else 0.0, terms[id(point)])
        for point in members
    ]


def _distance(asked: _Asked, model: str, point: RiskPoint) -> _Term | Absence:
    """Return log[(R+kappa)/(R_B+kappa)], R = R_Bayes + E(prediction - Bayes mean)^2."""
    bayes = asked.rows.quantity(point, [(PROMPTS, BAYES)])
    risk = asked.rows.quantity(point, [(PROMPTS, BAYES), (model, EXCESS)])
    for found in (bayes, risk):
        if isinstance(found, Absence):
            return found
    assert isinstance(bayes, Quantity)
    assert isinstance(risk, Quantity)
    above, below = risk.mean + asked.kappa, bayes.mean + asked.kappa
    influence = risk.influence / above - bayes.influence / below
    return _Term(point, math.log(above / below), influence, risk.has_variance)


def _gap(asked: _Asked, model: str, point: RiskPoint) -> _Term | Absence:
    """Return [E(prediction - Bayes of the test law)^2 - E(prediction - Bayes of the training law)^2] / E f^2."""
    own = asked.rows.quantity(point, [(model, EXCESS)])
    frozen = asked.rows.quantity(point, [(model, FROZEN)])
    zero = asked.rows.quantity(point, [(PROMPTS, ZERO)])
    for found in (own, frozen, zero):
        if isinstance(found, Absence):
            return found
    assert isinstance(own, Quantity)
    assert isinstance(frozen, Quantity)
    assert isinstance(zero, Quantity)
    gap = (own.mean - frozen.mean) / zero.mean
    influence = (own.influence - frozen.influence - gap * zero.influence) / zero.mean
    return _Term(point, gap, influence, own.has_variance and frozen.has_variance)


def _interaction(asked: _Asked, model: str, point: RiskPoint) -> RunScore:
    """Return log R(joint) - sum log R(single) + (k - 1) log R(base) of a joint shift of k factors."""
    singles: list[RiskPoint | Absence] = []
    for scenario, severity in zip(asked.factors[point.scenario], point.severities, strict=True):
        alone = [other for other in asked.points if other.scenario == scenario and other.severities == (severity,)]
        singles.append(alone[0] if alone else Absence("the suite does not have every factor alone at that severity"))
    wanted = [(1.0, point), *((-1.0, single) for single in singles), (len(singles) - 1.0, asked.base)]
    terms: list[tuple[float, _Term | Absence]] = [
        (weight, other if isinstance(other, Absence) else _log_risk(asked, model, other)) for weight, other in wanted
    ]
    lacking = [term for _, term in terms if isinstance(term, Absence)]
    return _score(asked, INTERACTION, model, POINT, [point], [(1.0, lacking[0])] if lacking else terms)


def _log_risk(asked: _Asked, model: str, point: RiskPoint) -> _Term | Absence:
    risk = asked.rows.quantity(point, [(PROMPTS, BAYES), (model, EXCESS)])
    if isinstance(risk, Absence):
        return risk
    if risk.mean <= 0.0:
        return Absence("a risk of 0 has no logarithm")
    return _Term(point, math.log(risk.mean), risk.influence / risk.mean, risk.has_variance)


def _score(
    asked: _Asked,
    name: str,
    model: str,
    scope: str,
    members: Sequence[RiskPoint],
    weighted: Sequence[tuple[float, _Term | Absence]],
) -> RunScore:
    """Return the score that is the weighted sum of its terms; a term that lacks is left out, and counted."""
    first = members[0]
    scenario = first.axis if scope == AXIS else first.scenario
    place = (name, model, scope, scenario, first.label if scope == POINT else "")
    lacking = [term.message for _, term in weighted if isinstance(term, Absence)]
    terms = [(weight, term) for weight, term in weighted if isinstance(term, _Term)]
    n_possible = len(members)
    n_points = n_possible - len(lacking)
    if not terms or n_points < 1 or not any(weight > 0.0 for weight, _ in terms):
        return RunScore(*place, None, None, None, 0, n_possible, next(iter(lacking), "no severity has a value"))
    value = math.fsum(weight * term.value for weight, term in terms)
    influence = np.sum([weight * term.influence for weight, term in terms], axis=0)
    found = contrast(np.array([value]), influence[:, None], asked.rows.cluster_size([term.point for _, term in terms]))
    low, high = (float(end[0]) for end in found.interval())
    message = lacking[0] if lacking else ""
    known = all(term.has_variance for _, term in terms)
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
