"""A summary for the terminal: styled lines that fit a width and read without colour, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from icl_bench.formatting import plain, shortened
from icl_bench.rendering.terminal import NARROWEST, heading, styled, table_lines, wrapped
from icl_bench.report import wording
from icl_bench.report.chart import Character, Chart, draw
from icl_bench.report.section import Content
from icl_bench.report.section_catalogue import contents
from icl_bench.scores.curves import Curve
from icl_bench.scores.summary import Summary

if TYPE_CHECKING:
    from rich.text import Text

WIDEST_CHART = 110
LINE_STYLES = ("cyan", "magenta", "yellow", "green", "blue", "red", "bright_cyan", "bright_magenta", "bright_yellow")


def lines(summary: Summary, width: int, only: str | None = None, *, coloured: bool = True) -> Iterator[Text]:
    """Yield the summary line by line, no line wider than `width` (at least 40) but for a single wide column.

    `only` names the one section that is shown; what colours mean is told where there are any.
    """
    width = max(width, NARROWEST)
    yield styled(wording.title(summary), "bold")
    for line in (*wording.head(summary), *wording.coverage_lines(summary)):
        yield from wrapped(line, width)
    for name, content in contents(summary):
        if only in (None, name):
            yield from _section(content, width, coloured=coloured)


def _section(content: Content, width: int, *, coloured: bool) -> Iterator[Text]:
    own_heading = content.title and not content.curves
    if own_heading:
        yield from heading(content.title, width)
    elif content.lead:
        yield styled("")
    for line in (*content.lead, *(content.colours if coloured else ())):
        yield from wrapped(line, width)
    for number, table in enumerate(content.tables):
        if number or not own_heading:
            yield styled("")
        yield from table_lines(table, width)
    for curve in content.curves:
        yield from heading(f"{content.title}: {curve.title}", width)
        yield from _curve(curve, width)
    if content.notes and not own_heading:
        yield styled("")
    for note in content.notes:
        yield from wrapped(note, width)


def _curve(curve: Curve, width: int) -> Iterator[Text]:
    chart = draw(curve, min(width, WIDEST_CHART))
    for row in chart.rows:
        yield _marks(row, curve)
    yield from _key(curve, chart, width)


def _style(curve: Curve, line: int | None) -> str:
    if line is None:
        return "dim"
    return "bold" if curve.lines[line].model is None else LINE_STYLES[line % len(LINE_STYLES)]


def _marks(row: Sequence[Character], curve: Curve) -> Text:
    text = styled("")
    for mark in row:
        text.append(mark.text, _style(curve, mark.line))
    text.rstrip()
    return text


def _key(curve: Curve, chart: Chart, width: int) -> Iterator[Text]:
    """Yield which letter is which model, as many to a line as fit, and what the drawing leaves open."""
    line, used = styled(""), 0
    for index, (letter, drawn) in enumerate(zip(chart.letters, curve.lines, strict=True)):
        name = f"{letter} {shortened(plain(drawn.name), width - 4)}"
        if used and used + 2 + len(name) > width:
            yield line
            line, used = styled(""), 0
        line.append("  " if used else "")
        line.append(name, _style(curve, index))
        used += len(name) + (2 if used else 0)
    yield line
    yield from wrapped("; ".join(chart.notes), width)
