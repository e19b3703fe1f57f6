"""Which algorithm a learner resembles: the distance of its answers to those of reference models."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from icl_bench.formatting import with_half_width
from icl_bench.rendering.table import Cell, Column, Table, by_column
from icl_bench.report.section import Content, Section, flat
from icl_bench.scores.resemblance import Resemblance
from icl_bench.scores.summary import Summary

TITLE = "Which algorithm is it: distance of a learner's answers to a reference's, unshifted"
NOTE = (
    "squared difference of the answers, over the risk of predicting zero; 0: the same answers; --format csv --table"
    " agreement has every severity"
)


def content(summary: Summary) -> Content | None:
    """Return models against references without any shift, the nearest named; None without any distance."""
    table = _table(summary)
    return None if table is None else Content(TITLE, tables=(table,), notes=(NOTE,))


def _table(summary: Summary) -> Table | None:
    if summary.base is None:
        return None
    here = (summary.base.place.scenario, summary.base.place.label)
    found = {
        (item.model, item.reference): item
        for item in summary.resemblances
        if (item.scenario, item.severity_label) == here
    }
    names = list(dict.fromkeys(reference for _, reference in found))
    models = tuple(model for model in summary.models if any((model, name) in found for name in names))
    columns = [(Column(name), [_cell(found.get((model, name))) for model in models]) for name in names]
    if len(names) > 1:
        columns.append((Column("nearest"), [Cell(_nearest(found, model, names)) for model in models]))
    return by_column(columns, models, summary.models) if models else None


def _cell(item: Resemblance | None) -> Cell:
    if item is None:
        return Cell("n/a", "none")
    half_width = None if item.low is None or item.high is None else (item.high - item.low) / 2.0
    text = with_half_width(item.value, half_width)
    return Cell(text if item.kind == "mean" else f"med {text}", key=item.value)


def _nearest(found: Mapping[tuple[str, str], Resemblance], model: str, names: Sequence[str]) -> str:
    """Return the reference with the smallest mean distance, none where one has no mean."""
    distances = {name: found[model, name].value for name in names if (model, name) in found}
    if len(distances) < len(names) or any(found[model, name].kind != "mean" for name in names):
        return "?"
    return min(distances, key=distances.__getitem__)


def records(summary: Summary) -> Iterator[dict[str, Any]]:
    """Yield every distance at every severity."""
    return map(flat, summary.resemblances)


def _document(summary: Summary) -> dict[str, Any]:
    return {"agreement": [dataclasses.asdict(item) for item in summary.resemblances]}


SECTION = Section(order=40, content=content, records=records, document=_document)
