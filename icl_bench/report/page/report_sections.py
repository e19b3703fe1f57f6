"""Sections of a report as the page shows them: a few in forms of its own, every other as what it says of each run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from icl_bench.formatting import short
from icl_bench.rendering.table import Cell, Column, Row, Table
from icl_bench.report.page.headline import NamedRun
from icl_bench.report.section import Content
from icl_bench.report.section_catalogue import all_sections
from icl_bench.scores.curves import Curve

OWN_FORMS = ("skill", "headline", "scores", "breakdowns", "agreement", "gap", "interaction", "curves", "failures")
"""Sections that the page draws, or shows with all runs in one table."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a section says of one run."""

    name: str  # of the run; empty where the page shows no other
    lead: tuple[str, ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...]


def said(run: NamedRun, name: str) -> Content | None:
    """Return what the section of this name says of a run; None where it has nothing to say."""
    section = all_sections()[name]
    return section.content(run.summary) if run.summary.has_numbers or not section.needs_numbers else None


def others(runs: Sequence[NamedRun]) -> Iterator[tuple[str, str, list[Said]]]:
    """Yield name, title and contents of every section that the page has no form of its own for, in order."""
    for name in all_sections():
        if name in OWN_FORMS:
            continue
        found = [(run, content) for run in runs if (content := said(run, name)) is not None]
        if found:
            title = next((content.title for _, content in found if content.title), name)
            yield name, title, [_said(run, content) for run, content in found]


def _said(run: NamedRun, content: Content) -> Said:
    tables = [on_page(run, table) for table in content.tables]
    tables += [on_page(run, _as_table(run, curve)) for curve in content.curves]
    return Said("" if run.alone else run.name, (*content.lead, *content.colours), tuple(tables), content.notes)


def on_page(run: NamedRun, table: Table) -> Table:
    """Return a table of a run with its models named and numbered as among all of the page."""
    shown = {index - run.first_model: (index, name) for index, name, _ in run.labels()}
    rows = []
    for row in table.rows:
        if row.model is None:
            rows.append(row)
        else:
            index, name = shown[row.model]
            rows.append(Row((name, *row.labels[1:]), row.cells, index))
    of_models = any(row.model is not None for row in table.rows)
    labels = ("model",) if of_models and table.labels == ("",) else table.labels
    return replace(table, rows=tuple(rows), labels=labels)


def _as_table(run: NamedRun, curve: Curve) -> Table:
    """Return a curve as numbers: lines against context sizes."""
    sizes = sorted({point.size for line in curve.lines for point in line.points})
    rows = []
    for line in curve.lines:
        held = {point.size: point.value for point in line.points}
        cells = (Cell(short(held[size]), key=held[size]) if size in held else Cell("-", "none") for size in sizes)
        model = None if line.model is None else run.summary.models.index(line.model)
        rows.append(Row((line.name,), tuple(cells), model))
    return Table(tuple(Column(str(size), "context size") for size in sizes), tuple(rows), title=curve.title)
