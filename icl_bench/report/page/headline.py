"""Run-level scores as tables: models against axes of shift, with intervals and how many severities each rests on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from icl_bench.formatting import printable, short
from icl_bench.rendering.table import Cell, Column, Row, Table
from icl_bench.scores.breakdown import Breakdown
from icl_bench.scores.records import RunScore
from icl_bench.scores.summary import Summary

LISTED = 3
"""Scenarios that a cell of the breakdown table names before it counts the rest."""
MEANINGS = {
    "sdr": (
        "SDR: degradation beyond intrinsic difficulty",
        "[(R + kappa) / (Bayes R + kappa)] under shift over the same unshifted; geometric mean over severities;"
        " 1 is no degradation, lower is better.",
    ),
    "ausc": (
        "AUSC: area under the shift curve",
        "Mean over severities of log10[(R + kappa) / (Bayes R + kappa)]; 0 is Bayes, lower is better.",
    ),
    "frozen_prior_gap": (
        "Frozen-prior gap",
        "Squared distance to the Bayes prediction of the test law minus that to the Bayes prediction of the training"
        " law, over the risk of predicting zero; positive: nearer to the answer of the frozen training prior.",
    ),
    "interaction": (
        "Interaction of joint shifts",
        "log R(joint) - sum of log R(single shifts) + (k - 1) log R(unshifted); 0: the factors multiply; positive:"
        " worse together than apart.",
    ),
}


@dataclass(frozen=True, slots=True)
class Explained:
    """A table with what it means and what its cells say."""

    table: Table
    meaning: str
    legend: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NamedRun:
    """A run, what the page calls it, and the index of its first model among all of the page."""

    name: str
    summary: Summary
    first_model: int
    alone: bool  # whether the page shows no other run

    @property
    def prefix(self) -> str:
        """What stands before whatever is this run's on a page of several."""
        return "" if self.alone else f"{self.name}: "

    def labels(self) -> list[tuple[int, str, str]]:
        """Return index, name on the page and label of every model."""
        return [
            (self.first_model + number, f"{self.prefix}{label}", label)
            for number, label in enumerate(self.summary.models)
        ]


def score_table(runs: Sequence[NamedRun], name: str, scope: str) -> Explained | None:
    """Return the table of one run-level score, models against what the scope names; None where no run has it."""
    heads = _heads([score for run in runs for score in _scores(run, name, scope)])
    if not heads:
        return None
    rows = []
    for run in runs:
        found = {(score.model, _place(score)): score for score in _scores(run, name, scope)}
        for index, shown, label in run.labels():
            rows.append(Row((shown,), tuple(_score_cell(found.get((label, place))) for place in heads), index))
    title, meaning = MEANINGS[name]
    return Explained(Table(tuple(heads.values()), tuple(rows), ("model",), title), meaning)


def _scores(run: NamedRun, name: str, scope: str) -> list[RunScore]:
    return [score for score in run.summary.run_scores.scores if score.name == name and score.scope == scope]


def _place(score: RunScore) -> tuple[str, str]:
    return (score.scenario, score.severity_label)


def _heads(scores: Sequence[RunScore]) -> dict[tuple[str, str], Column]:
    """Return a column for every place, under its scenario where that has severities, else its scenario's axis.

    Columns of a group stand together: runs need not have their scenarios in one order.
    """
    places = list(dict.fromkeys(_place(score) for score in scores))
    if any(label for _, label in places):
        heads = {(scenario, label): Column(label or "-", scenario) for scenario, label in places}
    else:
        heads = {place: _under_axis(place[0]) for place in places}
    groups = list(dict.fromkeys(column.group for column in heads.values()))
    return dict(sorted(heads.items(), key=lambda item: groups.index(item[1].group)))


def _under_axis(scenario: str) -> Column:
    axis, _, inner = scenario.partition("/")
    return Column(inner or axis, axis if inner else "")


def _score_cell(score: RunScore | None) -> Cell:
    if score is None:
        return Cell("-", "none")
    coverage, note = f"{score.n_points}/{score.n_possible}", printable(score.message)
    if score.value is None:
        return Cell("n/a", "none", asides=(coverage,), note=note)
    ends = [short(end) for end in (score.low, score.high) if end is not None]
    interval = f"[{', '.join(ends)}]" if len(ends) == 2 else "no interval"
    return Cell(short(score.value), key=score.value, asides=(coverage, interval), note=note)


def breakdown_table(runs: Sequence[NamedRun]) -> Explained | None:
    """Return where each model stops beating the zero predictor, a column per axis; None where no run tells."""
    axes = list(dict.fromkeys(_axis(item) for run in runs for item in run.summary.breakdowns))
    if not axes:
        return None
    rows = []
    for run in runs:
        for index, shown, label in run.labels():
            own = [item for item in run.summary.breakdowns if item.model == label]
            cells = (_breakdown_cell([item for item in own if _axis(item) == axis]) for axis in axes)
            rows.append(Row((shown,), tuple(cells), index))
    table = Table(tuple(Column(axis) for axis in axes), tuple(rows), ("model",), "Breakdown severity")
    meaning = (
        "First severity, going outward from no shift, at which the 95% interval of the normalised error lies at or"
        " above that of predicting zero; by scenario. Sorted by the share of scenarios that break."
    )
    legend = (
        "none: no severity of the grid; 2?: the estimate says so, its interval does not; unshifted: no better than zero"
        " without any shift; 4/5: scenarios that could be judged, of those that were run"
    )
    return Explained(table, meaning, (legend,))


def _axis(item: Breakdown) -> str:
    return item.scenario.partition("/")[0]


def _breakdown_cell(members: Sequence[Breakdown]) -> Cell:
    if not members:
        return Cell("-", "none")
    known = [item for item in members if item.known]
    coverage = (f"{len(known)}/{len(members)}",)
    if members[0].unshifted:
        return Cell("unshifted", "at_zero", 2.0, coverage)
    if not known:
        return Cell("?", "none", asides=coverage)
    broken = [f"{_inner(item)} {', '.join(item.severities)}".strip() for item in known if item.severities]
    doubtful = [f"{_inner(item)} {item.estimated}?" for item in known if item.estimated]
    key = (len(broken) + len(doubtful) / 1000.0) / len(known)
    standing = "at_zero" if broken else "between" if doubtful else ""
    return Cell(_listed([*broken, *doubtful]) or "none", standing, key, coverage)


def _inner(item: Breakdown) -> str:
    return item.scenario.partition("/")[2]


def _listed(names: Sequence[str]) -> str:
    """Return names as lines of a cell, the first few."""
    more = [f"and {len(names) - LISTED} more"] if len(names) > LISTED else []
    return "\n".join([*(printable(name) for name in names[:LISTED]), *more])


def kappas(runs: Iterable[NamedRun]) -> list[str]:
    """Return kappa of every run, and why a run has no scores."""
    lines = []
    for run in runs:
        scores = run.summary.run_scores
        if scores.kappa is not None:
            lines.append(f"{run.prefix}kappa = {short(scores.kappa)} ({scores.kappa_source})")
        if scores.note:
            lines.append(f"{run.prefix}{scores.note}")
    return lines
