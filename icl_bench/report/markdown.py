"""A summary as Markdown: the tables of the terminal, unsplit, and the curves as text."""

from __future__ import annotations

from collections.abc import Sequence

from icl_bench.report import wording
from icl_bench.report.chart import draw
from icl_bench.report.grids import Grid, axis_grid
from icl_bench.report.sections import sections
from icl_bench.report.summary import Summary

CHART_WIDTH = 90
_SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*_{}[]<>#|~$"})


def render(summaries: Sequence[Summary]) -> str:
    """Return the summaries as one Markdown text."""
    return "\n".join(line for summary in summaries for line in _document(summary))


def _document(summary: Summary) -> list[str]:
    lines = [f"# {_escaped(wording.title(summary))}", ""]
    lines += _items([*wording.head(summary), *wording.coverage_lines(summary)])
    if summary.has_numbers:
        lines += [_escaped(wording.shown(summary)), ""]
        for axis in summary.axes or (None,):
            grid = axis_grid(summary, axis)
            lines += [f"## {_escaped(grid.title)}", "", *_table(grid), ""]
        lines += ["## Legend", "", *_items(wording.legend(summary))]
        for section in sections(summary):
            lines += [f"## {_escaped(section.title)}", ""]
            if section.grid is not None:
                lines += [*_table(section.grid), ""]
            lines += _items(section.notes)
        lines += _curves(summary)
    if summary.troubles:
        lines += [f"## {wording.troubles_title(summary)}", "", *_items(wording.trouble_lines(summary))]
    return lines


def _items(texts: Sequence[str]) -> list[str]:
    return [*(f"- {_escaped(text)}" for text in texts), ""]


def _table(grid: Grid) -> list[str]:
    heads = [_escaped(f"{column.group} {column.title}".strip()) for column in grid.columns]
    lines = [_row(["", *heads]), _row(["---", *("---:" for _ in heads)])]
    for row, label in enumerate(grid.labels):
        lines.append(_row([_escaped(label), *(_escaped(column.cells[row].text) for column in grid.columns)]))
    return lines


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _curves(summary: Summary) -> list[str]:
    lines: list[str] = []
    for curve in summary.curves:
        chart = draw(curve, CHART_WIDTH)
        lines += [f"## Normalised error against context size: {_escaped(curve.title)}", "", "```text"]
        lines += ["".join(mark.text for mark in row).rstrip() for row in chart.rows]
        lines += ["", *(f"{letter} {line.name}" for letter, line in zip(chart.letters, curve.lines, strict=True))]
        lines += [*chart.notes, "```", ""]
    return lines


def _escaped(text: str) -> str:
    return text.translate(_SPECIAL)
