"""A summary as Markdown: the tables of the terminal, unsplit, and the curves as text."""

from __future__ import annotations

from collections.abc import Sequence

from icl_bench.rendering.escaping import markdown_line
from icl_bench.rendering.markdown import block_lines, heading_lines, item_lines, table_lines
from icl_bench.report import wording
from icl_bench.report.chart import draw
from icl_bench.report.section import Content
from icl_bench.report.section_catalogue import contents
from icl_bench.scores.curves import Curve
from icl_bench.scores.summary import Summary

CHART_WIDTH = 90


def render(summaries: Sequence[Summary], only: str | None = None) -> str:
    """Return the summaries as one Markdown text; `only` names the one section that is wanted."""
    return "\n".join(line for summary in summaries for line in _document(summary, only))


def _document(summary: Summary, only: str | None) -> list[str]:
    lines = heading_lines(1, wording.title(summary))
    lines += item_lines([*wording.head(summary), *wording.coverage_lines(summary)])
    for name, content in contents(summary):
        lines += _section(content) if only in (None, name) else []
    return lines


def _section(content: Content) -> list[str]:
    own_heading = content.title and not content.curves
    lines = heading_lines(2, content.title) if own_heading else []
    for line in content.lead:
        lines += [markdown_line(line), ""]
    for table in content.tables:
        lines += [*(heading_lines(3 if own_heading else 2, table.title) if table.title else []), *table_lines(table)]
    for curve in content.curves:
        lines += [*heading_lines(2, f"{content.title}: {curve.title}"), *_curve(curve)]
    if content.notes and not own_heading:
        lines += heading_lines(2, "Legend")
    return [*lines, *item_lines(content.notes)]


def _curve(curve: Curve) -> list[str]:
    chart = draw(curve, CHART_WIDTH)
    drawn = ["".join(mark.text for mark in row).rstrip() for row in chart.rows]
    key = [f"{letter} {line.name}" for letter, line in zip(chart.letters, curve.lines, strict=True)]
    return block_lines([*drawn, "", *key, *chart.notes])
