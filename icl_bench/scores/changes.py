"""How run-level scores change from one run to another on the same prompts."""

from __future__ import annotations

import math

from icl_bench.scores.prompt_rows import Absence, CommonPrompts, RiskColumns, RiskPoint, prompt_rows, read_points
from icl_bench.scores.records import AXIS, RunScore, RunScores
from icl_bench.scores.terms import ScoreTerms, Term, choose_kappa, reference_point, sdr_and_ausc
from icl_bench.tables.loss_sets import StoredLosses


def score_changes(base: StoredLosses, head: StoredLosses, column: str) -> RunScores:
    """Return by how much AUSC and SDR changed on each axis, with paired intervals, from the stored risk `column`.

    On the same prompts the Bayes risk is the same in both runs, so AUSC rises by the mean over severities of
    log10[(R_head + kappa)/(R_base + kappa)], and SDR by the ratio of these at a severity and unshifted: neither needs
    the Bayes risk. `value` is a difference of AUSC, and a ratio of SDR.
    """
    if not is_risk(head, column):
        return RunScores(
            None, "", (), f"no run-level scores: {column} is no risk to which a noise variance can be added"
        )
    columns = RiskColumns.of(head)
    bases, heads = (read_points(losses, (column, *RiskColumns.of(losses).of_zero)) for losses in (base, head))
    of_base = {_place(point): point for point in bases}
    shared = [point for point in heads if _place(point) in of_base]
    reference = reference_point(shared)
    if reference is None:
        return RunScores(None, "", (), "no run-level scores: the runs share no unshifted reference (scenario base)")
    rows = prompt_rows(shared, columns)
    kappa, source = choose_kappa(head.manifest.noise_variance, rows, reference)
    if kappa is None:
        return RunScores(None, "", (), f"no run-level scores: {source}")
    asked = ScoreTerms(tuple(shared), reference, rows, kappa, {}, ())
    found: list[RunScore] = []
    for model in head.manifest.models:
        changes = {id(point): _change(rows, of_base[_place(point)], point, model, column, kappa) for point in shared}
        if any(isinstance(change, Term) for change in changes.values()):
            found += [score for score in sdr_and_ausc(asked, model, changes) if score.scope == AXIS]
    return RunScores(kappa, source, tuple(found))


def is_risk(losses: StoredLosses, column: str) -> bool:
    """Tell whether a column has the unit of the noise variance: a squared label, better low, never negative."""
    card = losses.manifest.metric_cards.get(column)
    return card is None or (card.unit == "squared label" and card.direction == "lower" and not card.can_be_negative)


def _place(point: RiskPoint) -> tuple[object, ...]:
    return (point.place, tuple((place.seed, place.digests) for place in point.sets))


def _change(
    rows: CommonPrompts, base: RiskPoint, head: RiskPoint, model: str, column: str, kappa: float
) -> Term | Absence:
    if model not in base.sets[0].cells:
        return Absence("the model is new")
    before, after = (rows.quantity(point, [(model, column)]) for point in (base, head))
    if isinstance(before, Absence):
        return before
    if isinstance(after, Absence):
        return after
    influence = rows.log_influence(head, after.influence / (after.mean + kappa))
    influence -= rows.log_influence(head, before.influence / (before.mean + kappa))
    value = math.log((after.mean + kappa) / (before.mean + kappa))
    return Term(head, value, influence, before.has_variance and after.has_variance)
