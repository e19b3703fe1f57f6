"""Run-level scores: SDR and AUSC of each axis of shift."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from icl_bench.formatting import short
from icl_bench.rendering.table import Column, Table, by_column
from icl_bench.report.run_score_tables import score_cell, valued_models
from icl_bench.report.section import Content, Section, flat
from icl_bench.scores.records import AUSC, AXIS, SDR
from icl_bench.scores.summary import Summary

TITLE = "Run-level scores: what a learner loses on each axis of shift"


def content(summary: Summary) -> Content | None:
    """Return models against axes, SDR and AUSC of each; where there are none, why."""
    tables = _tables(summary)
    return Content(TITLE, tables=tables, notes=(_note(summary),)) if tables or summary.run_scores.note else None


def _tables(summary: Summary) -> tuple[Table, ...]:
    degradation, curve = (summary.run_scores.of(name, AXIS) for name in (SDR, AUSC))
    axes = list(dict.fromkeys(axis for _, axis, _ in curve))
    models = valued_models(summary, [*degradation.values(), *curve.values()])
    columns = [
        (Column(title, axis), [score_cell(found.get((model, axis, ""))) for model in models])
        for axis in axes
        for title, found in (("SDR", degradation), ("AUSC", curve))
    ]
    return (by_column(columns, models, summary.models),) if models and columns else ()


def _note(summary: Summary) -> str:
    """Return what the scores are, and the kappa that they rest on."""
    found = summary.run_scores
    if found.note:
        return found.note
    kappa = f"kappa = {short(found.kappa)} ({found.kappa_source})" if found.kappa is not None else ""
    return (
        "SDR: (R + kappa) / (R_Bayes + kappa) over the same unshifted, geometric mean; 1: no loss beyond the intrinsic"
        f" difficulty. AUSC: mean log10 of (R + kappa) / (R_Bayes + kappa); 0 is Bayes. {kappa}; severities averaged"
        " within a scenario, scenarios within an axis; (3/4): on so many of the severities, where Bayes and a mean are"
        " known."
    )


def records(summary: Summary) -> Iterator[dict[str, Any]]:
    """Yield every run-level score: of severities, scenarios and axes, frozen-prior gaps and interactions too."""
    for score in summary.run_scores.scores:
        yield {**flat(score), "kappa": summary.run_scores.kappa}


def _document(summary: Summary) -> dict[str, Any]:
    return {"run_scores": dataclasses.asdict(summary.run_scores)}


SECTION = Section(order=20, content=content, records=records, document=_document)
