"""Tables of one run-level score: which models have any, what a cell says, models against axes or joint shifts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from icl_bench.formatting import with_half_width
from icl_bench.rendering.table import Cell, Column, Table, by_column
from icl_bench.report.section import flat
from icl_bench.scores.records import RunScore
from icl_bench.scores.summary import Summary


def one_score(summary: Summary, name: str, scope: str) -> tuple[Table, ...]:
    """Return models against the places of one score; no table where no model has a value."""
    found = summary.run_scores.of(name, scope)
    models = valued_models(summary, list(found.values()))
    places = list(dict.fromkeys((scenario, label) for _, scenario, label in found))
    columns = [
        (
            Column(label or scenario, scenario if label else ""),
            [score_cell(found.get((model, scenario, label))) for model in models],
        )
        for scenario, label in places
    ]
    return (by_column(columns, models, summary.models),) if models and columns else ()


def score_records(summary: Summary, name: str) -> Iterator[dict[str, Any]]:
    """Yield one score of all models, scopes and places as rows of csv."""
    return (flat(score) for score in summary.run_scores.scores if score.name == name)


def no_document(_: Summary) -> dict[str, Any]:
    """Return nothing for JSON: there the section of scores holds all run-level scores."""
    return {}


def valued_models(summary: Summary, scores: Sequence[RunScore]) -> tuple[str, ...]:
    """Return the models with any value, in the order of the suite."""
    valued = {score.model for score in scores if score.value is not None}
    return tuple(model for model in summary.models if model in valued)


def score_cell(score: RunScore | None) -> Cell:
    """Return a score with its half width, and on how many of the severities it rests where not on all."""
    if score is None or score.value is None:
        return Cell("-" if score is None else "n/a", "none", note="" if score is None else score.message)
    half_width = None if score.low is None or score.high is None else (score.high - score.low) / 2.0
    text = with_half_width(score.value, half_width)
    coverage = "" if score.n_points == score.n_possible else f" ({score.n_points}/{score.n_possible})"
    return Cell(text + coverage, key=score.value, note=score.message)
