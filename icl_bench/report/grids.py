"""A summary as grids of text: what the terminal, Markdown and LaTeX show alike."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from icl_bench.report.breakdown import Breakdown
from icl_bench.report.points import Entry, Point
from icl_bench.report.summary import Axis, Summary
from icl_bench.text import short, with_half_width

NOT_THE_SUITES_METRIC = "†"
BROKEN = "!"


@dataclass(frozen=True, slots=True)
class Cell:
    """One piece of text; `standing` decides its colour."""

    text: str
    standing: str = ""  # near_bayes | between | at_zero | none | head | empty


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the group it stands under, its own title, and one cell a row."""

    group: str
    title: str
    cells: tuple[Cell, ...]

    @property
    def width(self) -> int:
        """Characters of the widest cell."""
        return max(len(self.title), *(len(cell.text) for cell in self.cells))


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: row labels, and columns of which the first `fixed` are repeated when it is split."""

    title: str
    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    fixed: int = 0
    rule_after: int = 0  # rows above the first rule

    def groups(self) -> list[tuple[str, list[Column]]]:
        """Return the columns by group."""
        return [(name, list(members)) for name, members in itertools.groupby(self.columns, lambda column: column.group)]


def axis_grid(summary: Summary, axis: Axis | None) -> Grid:
    """Return one axis: models against severities, the unshifted reference first, the Bayes risk above the models."""
    base = () if summary.base is None else (summary.base,)
    points = base if axis is None else (*base, *axis.points)
    heads = _heads(summary, points)
    columns = tuple(
        _column(summary, point, point in base, [texts[index] for texts in heads.values()])
        for index, point in enumerate(points)
    )
    title = "unshifted" if axis is None else axis.name
    return Grid(title, (*heads, *summary.models), columns, len(base), len(heads))


def _heads(summary: Summary, points: Sequence[Point]) -> dict[str, tuple[str, ...]]:
    """Return the rows above the models: context sizes where they differ, the Bayes risk where it was measured."""
    heads = {}
    if len({point.context_size for point in points}) > 1:
        heads["examples"] = tuple(str(point.context_size or "") for point in points)
    if any(point.achievable is not None for point in summary.points):
        name = "Bayes / zero" if summary.roles.is_normalised(summary.metric) else "Bayes"
        heads[name] = tuple("?" if point.achievable is None else short(point.achievable) for point in points)
    return heads


def _column(summary: Summary, point: Point, is_base: bool, heads: Sequence[str]) -> Column:
    cells = [Cell(text, "head") for text in heads]
    cells.extend(entry_cell(point.entries[model]) for model in summary.models)
    mark = NOT_THE_SUITES_METRIC if point.metric != summary.metric else ""
    identity = " =base" if point.place.identity and not is_base else ""
    title = "unshifted" if is_base else point.place.label + identity
    return Column("" if is_base else point.place.inner, title + mark, tuple(cells))


def entry_cell(entry: Entry) -> Cell:
    """Return a model's number with its interval and marks, or its status."""
    if entry.shown is None:
        status = "" if entry.absent is None else entry.absent.status
        return Cell({"missing": "·", "undefined": "n/a"}.get(status, status), "none")
    text = with_half_width(entry.shown.value, entry.shown.half_width)
    if entry.shown.kind == "median":
        text = f"med {text}"
    if entry.broken:
        text += BROKEN
    return Cell(text, entry.standing)


def breakdown_grid(summary: Summary) -> tuple[Grid | None, tuple[str, ...]]:
    """Return breakdown severities, models against scenarios, and notes on what is left out of the grid.

    Models that are broken without any shift, and scenarios under which no other model breaks, are told in notes.
    """
    if not summary.breakdowns:
        return None, ()
    unshifted = {item.model for item in summary.breakdowns if item.unshifted}
    models = tuple(model for model in summary.models if model not in unshifted)
    found = {(item.scenario, item.model): item for item in summary.breakdowns}
    scenarios = list(dict.fromkeys(item.scenario for item in summary.breakdowns))
    telling = [
        name
        for name in scenarios
        if any(found[name, model].severities or found[name, model].estimated for model in models)
    ]
    unknown = [name for name in scenarios if not any(found[name, model].known for model in models)]
    quiet = [name for name in scenarios if name not in telling and name not in unknown]
    notes = []
    if quiet and models:
        notes.append(f"none breaks under {', '.join(quiet)}")
    if unknown and models:
        notes.append(f"no interval to judge by under {', '.join(unknown)}")
    if unshifted:
        notes.append(f"no better than zero without any shift: {', '.join(sorted(unshifted, key=summary.models.index))}")
    if not telling:
        return None, tuple(notes)
    columns = tuple(
        Column(
            name.partition("/")[0] if "/" in name else "",
            name.partition("/")[2] or name,
            tuple(_breakdown_cell(item) for item in (found[name, model] for model in models)),
        )
        for name in telling
    )
    return Grid("", models, columns), tuple(notes)


def _breakdown_cell(item: Breakdown) -> Cell:
    if item.severities:
        ends = zip(item.earliest, item.severities, strict=True)
        return Cell(", ".join(last if first == last else f"{first}–{last}" for first, last in ends), "at_zero")
    if item.estimated:
        return Cell(f"{item.estimated}?", "between")
    return Cell("-", "empty") if item.known else Cell("?", "none")


def split(grid: Grid, width: int, gap: int, label_width: int) -> list[Grid]:
    """Return the grid in parts that fit `width` characters, each with the fixed columns; no cell is ever wrapped."""
    fixed, rest = grid.columns[: grid.fixed], grid.columns[grid.fixed :]
    room = width - label_width - sum(column.width + gap for column in fixed)
    parts: list[list[Column]] = [[]]
    for column in rest:
        if parts[-1] and _spread([*parts[-1], column], gap) > room:
            parts.append([])
        parts[-1].append(column)
    even = _evenly(rest, len(parts))
    if all(_spread(part, gap) <= room for part in even):  # rather than one full part and a single column
        parts = even
    return [replace(grid, columns=(*fixed, *part)) for part in parts]


def _evenly(columns: Sequence[Column], parts: int) -> list[list[Column]]:
    ends = [round(len(columns) * part / parts) for part in range(parts + 1)]
    return [list(columns[start:end]) for start, end in itertools.pairwise(ends)]


def _spread(columns: Sequence[Column], gap: int) -> int:
    """Return the characters that columns and the names of their groups take."""
    total = 0
    for name, members in itertools.groupby(columns, lambda column: column.group):
        total += max(sum(column.width + gap for column in members), len(name) + gap)
    return total
