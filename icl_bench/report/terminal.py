"""A summary for the terminal: styled lines that fit a width and read without colour, too."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from icl_bench.report import wording
from icl_bench.report.chart import Chart, Mark, draw
from icl_bench.report.curves import Curve
from icl_bench.report.grids import Cell, Grid, axis_grid, split
from icl_bench.report.sections import Section, sections
from icl_bench.report.summary import Summary
from icl_bench.text import shortened

if TYPE_CHECKING:
    from rich.text import Text

WIDE = 100
"""From this width on, columns stand two characters apart, else one."""
STYLES = {
    "near_bayes": "green",
    "between": "yellow",
    "at_zero": "red",
    "none": "magenta",
    "head": "bold",
    "empty": "dim",
}
LINE_STYLES = ("cyan", "magenta", "yellow", "green", "blue", "red", "bright_cyan", "bright_magenta", "bright_yellow")
NARROWEST = 40


def lines(summary: Summary, width: int) -> Iterator[Text]:
    """Yield the summary line by line, no line wider than `width` (at least 40) but for a single wide column."""
    width = max(width, NARROWEST)
    yield _text(wording.title(summary), "bold")
    for line in wording.head(summary):
        yield from _wrapped(line, width)
    for line in wording.coverage_lines(summary):
        yield from _wrapped(line, width)
    if summary.has_numbers:
        yield _text("")
        yield from _wrapped(wording.shown(summary), width)
        yield from _wrapped(wording.colours(summary), width)
        for axis in summary.axes or (None,):
            yield _text("")
            yield from _grid_lines(axis_grid(summary, axis), width)
        yield _text("")
        for line in wording.legend(summary):
            yield from _wrapped(line, width)
        for section in sections(summary):
            yield from _section(section, width)
        for curve in summary.curves:
            yield _text("")
            yield from _curve(curve, width)
    if summary.troubles:
        yield _text("")
        yield _text(wording.troubles_title(summary), "bold")
        for line in wording.trouble_lines(summary):
            yield from _wrapped(line, width)


def _text(line: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(line, style=style, no_wrap=True, overflow="ignore")


def _wrapped(line: str, width: int) -> Iterator[Text]:
    for part in textwrap.wrap(line, width, subsequent_indent="  ", break_on_hyphens=False):
        yield _text(part)


def _grid_lines(grid: Grid, width: int) -> Iterator[Text]:
    """Yield one table, in parts below each other where it is too wide."""
    labels = [shortened(label, max(16, width // 3)) for label in grid.labels]
    label_width = max(len(text) for text in (*labels, grid.title))
    gap = 2 if width >= WIDE else 1
    for number, part in enumerate(split(grid, width, gap, label_width)):
        if number:
            yield _text("")
        yield from _part(part, labels, label_width, gap)


def _part(grid: Grid, labels: Sequence[str], label_width: int, gap: int) -> Iterator[Text]:
    widths = _widths(grid, gap)
    above = _text(f"{grid.title:<{label_width}}", "bold")
    position = 0
    for name, members in grid.groups():
        room = sum(widths[position : position + len(members)]) + gap * (len(members) - 1)
        above.append(" " * gap + f"{shortened(name, room):<{room}}", "bold")
        position += len(members)
    above.rstrip()
    if above.plain:
        yield above
    heads = [Cell(column.title, "head") for column in grid.columns]
    yield _row("", heads, label_width, widths, gap)
    for row, label in enumerate(labels):
        if row == grid.rule_after:
            yield _text("-" * (label_width + sum(widths) + gap * len(widths)), "dim")
        yield _row(label, [column.cells[row] for column in grid.columns], label_width, widths, gap)


def _widths(grid: Grid, gap: int) -> list[int]:
    """Return the width of each column, the last of a group widened where the group's name is longer."""
    widths = []
    for name, members in grid.groups():
        own = [column.width for column in members]
        own[-1] += max(0, len(name) - sum(own) - gap * (len(own) - 1))
        widths.extend(own)
    return widths


def _row(label: str, cells: Sequence[Cell], label_width: int, widths: Sequence[int], gap: int) -> Text:
    line = _text(f"{label:<{label_width}}")
    for cell, width in zip(cells, widths, strict=True):
        line.append(" " * gap)
        line.append(cell.text, STYLES.get(cell.standing, ""))
        line.append(" " * (width - len(cell.text)))
    line.rstrip()
    return line


def _section(section: Section, width: int) -> Iterator[Text]:
    yield _text("")
    for line in textwrap.wrap(section.title, width):
        yield _text(line, "bold")
    if section.grid is not None:
        yield from _grid_lines(section.grid, width)
    for note in section.notes:
        yield from _wrapped(note, width)


def _curve(curve: Curve, width: int) -> Iterator[Text]:
    chart = draw(curve, min(width, 110))
    for line in textwrap.wrap(f"Normalised error against context size: {curve.title}", width):
        yield _text(line, "bold")
    for row in chart.rows:
        yield _marks(row, curve)
    yield from _key(curve, chart, width)


def _style(curve: Curve, line: int | None) -> str:
    if line is None:
        return "dim"
    return "bold" if curve.lines[line].model is None else LINE_STYLES[line % len(LINE_STYLES)]


def _marks(row: Sequence[Mark], curve: Curve) -> Text:
    text = _text("")
    for mark in row:
        text.append(mark.text, _style(curve, mark.line))
    text.rstrip()
    return text


def _key(curve: Curve, chart: Chart, width: int) -> Iterator[Text]:
    """Yield which letter is which model, as many to a line as fit, and what the drawing leaves open."""
    line, used = _text(""), 0
    for index, (letter, drawn) in enumerate(zip(chart.letters, curve.lines, strict=True)):
        name = f"{letter} {shortened(drawn.model or 'Bayes risk', width - 4)}"
        if used and used + 2 + len(name) > width:
            yield line
            line, used = _text(""), 0
        line.append("  " if used else "")
        line.append(name, _style(curve, index))
        used += len(name) + (2 if used else 0)
    yield line
    yield from _wrapped("; ".join(chart.notes), width)
