"""Run-level scores from a run's losses: SDR, AUSC, frozen-prior gap, and interaction of joint shifts.

All are taken at the context size that a prompt of the training length has, and rest on the same prompts at every
severity, so that the error of a difference is far below that of its parts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from icl_bench.errors import TableError
from icl_bench.places import Place
from icl_bench.scores.narrowing import ShownLosses
from icl_bench.scores.prompt_rows import Absence, Quantity, RiskColumns, RiskPoint, prompt_rows, read_points
from icl_bench.scores.records import GAP, INTERACTION, POINT, RunScore, RunScores
from icl_bench.scores.terms import (
    ScoreTerms,
    Term,
    averaged,
    choose_kappa,
    groups,
    reference_point,
    score,
    sdr_and_ausc,
)
from icl_bench.tables.loss_sets import StoredLosses
from icl_bench.tables.manifest import Manifest
from icl_bench.tables.schema import PROMPTS
from icl_bench.tables.stored_losses import open_losses

SAME_ANSWER = 1e-6
"""Two Bayes predictions that differ by less, over the risk of predicting zero, are one (losses are float32)."""


def run_scores(folder: Path, narrowed: Manifest | None = None) -> RunScores:
    """Return the run-level scores of a run folder; none, with a note, where its losses were not kept.

    `narrowed` is its manifest with some of its models and scenarios. Raises TableError when a loss table is damaged.
    """
    try:
        losses = open_losses(folder)
    except TableError:
        if any((folder / "losses").glob("*.parquet")):
            raise
        return RunScores(None, "", (), "no run-level scores: the losses of this run were not kept")
    return scores_of(losses if narrowed is None else ShownLosses(losses, narrowed))


def scores_of(losses: StoredLosses) -> RunScores:
    """Return the run-level scores of a run or baseline."""
    columns = RiskColumns.of(losses)
    points = read_points(losses, columns.stored)
    base = reference_point(points)
    if base is None:
        return RunScores(None, "", (), "no run-level scores: the run has no unshifted reference (scenario base)")
    rows = prompt_rows(points, columns)
    kappa, source = choose_kappa(losses.manifest.noise_variance, rows, base)
    if kappa is None:
        return RunScores(None, "", (), f"no run-level scores: {source}")
    models = [
        model
        for model in losses.manifest.models
        if any(place.cells[model].status != "missing" for place in losses.sets)
    ]
    asked = ScoreTerms(points, base, rows, kappa, losses.manifest.factors, _moved(points, models, columns))
    scores = tuple(score for model in models for score in _model_scores(asked, model))
    if all(score.value is None for score in scores):
        why = next((score.message for score in scores), "the run has no severity")
        return RunScores(kappa, source, scores, f"no run-level scores: {why}")
    return RunScores(kappa, source, scores)


def _moved(points: Sequence[RiskPoint], models: Sequence[str], columns: RiskColumns) -> tuple[RiskPoint, ...]:
    """Return the points whose Bayes prediction is not that of the training law: where the two can be told apart."""

    excess, bayes_train, signal = columns.excess or "", columns.frozen or "", columns.zero or ""

    def told_apart(point: RiskPoint) -> bool:
        for values in point.values:
            zero = values.get((PROMPTS, signal))
            for model in models:
                own, frozen = values.get((model, excess)), values.get((model, bayes_train))
                if zero is not None and own is not None and frozen is not None:
                    return bool(np.abs(own - frozen).max() > SAME_ANSWER * zero.mean())
        return False

    return tuple(point for point in points if told_apart(point))


def _model_scores(asked: ScoreTerms, model: str) -> Iterator[RunScore]:
    distances = {id(point): _distance(asked, model, point) for point in asked.points}
    yield from sdr_and_ausc(asked, model, distances)
    gaps = {id(point): _gap(asked, model, point) for point in asked.moved}
    for point in asked.moved:
        yield score(asked, GAP, model, POINT, [point], [(1.0, gaps[id(point)])])
    for scope, members in groups(asked.moved):
        yield score(asked, GAP, model, scope, members, averaged(members, gaps))
    for point in asked.points:
        if point.place.scenario in asked.factors:
            yield _interaction(asked, model, point)


def _distance(asked: ScoreTerms, model: str, point: RiskPoint) -> Term | Absence:
    """Return log[(R+kappa)/(R_B+kappa)]."""
    bayes = asked.rows.bayes(point)
    risk = asked.rows.risk(point, model)
    for found in (bayes, risk):
        if isinstance(found, Absence):
            return found
    assert isinstance(bayes, Quantity)
    assert isinstance(risk, Quantity)
    above, below = risk.mean + asked.kappa, bayes.mean + asked.kappa
    influence = asked.rows.log_influence(point, risk.influence / above)
    influence -= asked.rows.log_influence(point, bayes.influence / below)
    return Term(point, math.log(above / below), influence, risk.has_variance)


def _gap(asked: ScoreTerms, model: str, point: RiskPoint) -> Term | Absence:
    """Return [E(prediction - Bayes of the test law)^2 - E(prediction - Bayes of the training law)^2] / E f^2."""
    columns = asked.rows.columns
    own = asked.rows.quantity(point, [(model, columns.excess)])
    frozen = asked.rows.quantity(point, [(model, columns.frozen)])
    zero = asked.rows.zero(point)
    for found in (own, frozen, zero):
        if isinstance(found, Absence):
            return found
    assert isinstance(own, Quantity)
    assert isinstance(frozen, Quantity)
    assert isinstance(zero, Quantity)
    gap = (own.mean - frozen.mean) / zero.mean
    influence = (own.influence - frozen.influence - gap * zero.influence) / zero.mean
    return Term(point, gap, influence, own.has_variance and frozen.has_variance)


def _interaction(asked: ScoreTerms, model: str, point: RiskPoint) -> RunScore:
    """Return log R(joint) - sum log R(single) + (k - 1) log R(base) of a joint shift of k factors."""
    singles: list[RiskPoint | Absence] = []
    for scenario, severity in zip(asked.factors[point.place.scenario], point.place.severities, strict=True):
        alone = [other for other in asked.points if other.place == Place(scenario, (severity,))]
        singles.append(alone[0] if alone else Absence("the suite does not have every factor alone at that severity"))
    wanted = [(1.0, point), *((-1.0, single) for single in singles), (len(singles) - 1.0, asked.base)]
    terms: list[tuple[float, Term | Absence]] = [
        (weight, other if isinstance(other, Absence) else _log_risk(asked, model, other)) for weight, other in wanted
    ]
    lacking = [term for _, term in terms if isinstance(term, Absence)]
    return score(asked, INTERACTION, model, POINT, [point], [(1.0, lacking[0])] if lacking else terms)


def _log_risk(asked: ScoreTerms, model: str, point: RiskPoint) -> Term | Absence:
    risk = asked.rows.risk(point, model)
    if isinstance(risk, Absence):
        return risk
    if risk.mean <= 0.0:
        return Absence("a risk of 0 has no logarithm")
    influence = asked.rows.log_influence(point, risk.influence / risk.mean)
    return Term(point, math.log(risk.mean), influence, risk.has_variance)
