"""Breakdown severities: where, going outward from no shift, a model stops beating the zero predictor."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from icl_bench.rendering.table import Cell, Column, by_column
from icl_bench.report.section import Content, Section, flat
from icl_bench.scores.breakdown import Breakdown
from icl_bench.scores.summary import Summary

TITLE = "Breakdown: first severity, going outward from no shift, that is no better than predicting zero"
NOTE = (
    "-: none in the grid; 2–3: the intervals leave it open from 2 on and say it at 3; 2?: the estimate says so, its"
    " interval does not; judged by the 95% interval of the normalised"
    " error, of its median where tails are heavy; answers that are not finite (nan) are no better"
)


def content(summary: Summary) -> Content | None:
    """Return models against scenarios, and notes on what is left out of the table.

    Models that are broken without any shift, and scenarios under which no other model breaks, are told in notes.
    """
    unshifted = {item.model for item in summary.breakdowns if item.unshifted}
    models = tuple(model for model in summary.models if model not in unshifted)
    found = {(item.scenario, item.model): item for item in summary.breakdowns}
    scenarios = list(dict.fromkeys(item.scenario for item in summary.breakdowns))
    telling = [
        name
        for name in scenarios
        if any(found[name, model].severities or found[name, model].estimated for model in models)
    ]
    notes = _left_out(found, models, [name for name in scenarios if name not in telling])
    if unshifted:
        notes.append(f"no better than zero without any shift: {', '.join(sorted(unshifted, key=summary.models.index))}")
    columns = [
        (
            Column(name.partition("/")[2] or name, name.partition("/")[0] if "/" in name else ""),
            [_cell(found[name, model]) for model in models],
        )
        for name in telling
    ]
    tables = (by_column(columns, models, summary.models),) if columns else ()
    return Content(TITLE, tables=tables, notes=(*notes, NOTE)) if tables or notes else None


def _left_out(found: Mapping[tuple[str, str], Breakdown], models: Sequence[str], scenarios: Sequence[str]) -> list[str]:
    """Return notes on the scenarios that say nothing of any model."""
    unknown = [name for name in scenarios if not any(found[name, model].known for model in models)]
    quiet = [name for name in scenarios if name not in unknown]
    notes = []
    if quiet and models:
        notes.append(f"none breaks under {', '.join(quiet)}")
    if unknown and models:
        notes.append(f"no interval to judge by under {', '.join(unknown)}")
    return notes


def _cell(item: Breakdown) -> Cell:
    if item.severities:
        ends = zip(item.earliest, item.severities, strict=True)
        return Cell(", ".join(last if first == last else f"{first}–{last}" for first, last in ends), "at_zero")
    if item.estimated:
        return Cell(f"{item.estimated}?", "between")
    return Cell("-", "empty") if item.known else Cell("?", "none")


def records(summary: Summary) -> Iterator[dict[str, Any]]:
    """Yield every model under every scenario."""
    return map(flat, summary.breakdowns)


def _document(summary: Summary) -> dict[str, Any]:
    return {"breakdowns": [dataclasses.asdict(item) for item in summary.breakdowns]}


SECTION = Section(order=30, content=content, records=records, document=_document)
