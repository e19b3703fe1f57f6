"""The formats a report comes in, by name, and the tables of its csv."""

from __future__ import annotations

from collections.abc import Sequence

from icl_bench.errors import UsageError
from icl_bench.rendering.formats import Formats, check_name
from icl_bench.report import latex, markdown, records
from icl_bench.report.section_catalogue import all_sections
from icl_bench.scores.summary import Summary

CSV, HTML = "csv", "html"
HEADLINE = "headline"
"""The section whose records csv holds unless another is asked for."""


def _html(summaries: Sequence[Summary]) -> str:
    from icl_bench.report.page.page import render as page

    return page(summaries)


def _headline(summaries: Sequence[Summary]) -> str:
    return records.render_table(summaries, HEADLINE)


FORMATS: Formats[Sequence[Summary]] = Formats(
    {"markdown": markdown.render, CSV: _headline, "json": records.render_json, "latex": latex.render, HTML: _html}
)


def check_table(format_name: str, table: str) -> None:
    """Raise UsageError unless this format can show this table: all show every table, csv holds one at a time."""
    check_name("table", table, tuple(all_sections()))
    if table != HEADLINE and format_name != CSV:
        raise UsageError(f"--table {table} goes with --format csv; {format_name} shows every table")


def render(summaries: Sequence[Summary], format_name: str, table: str) -> str:
    """Return summaries in a format other than the terminal's."""
    return records.render_table(summaries, table) if format_name == CSV else FORMATS.render(format_name, summaries)
