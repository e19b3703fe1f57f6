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


def check_table(format_name: str, table: str | None) -> None:
    """Raise UsageError unless this format can show this table alone; None, for all that it has, is always fine."""
    if table is None:
        return
    check_name("table", table, tuple(all_sections()))
    if format_name in (HTML, "json"):
        raise UsageError(
            f"--table {table} goes with terminal, csv, markdown and latex; {format_name} holds every table"
        )


def render(summaries: Sequence[Summary], format_name: str, table: str | None) -> str:
    """Return summaries in a format other than the terminal's; `table` names the one section that is wanted."""
    if format_name == CSV and table is not None:
        return records.render_table(summaries, table)
    if format_name in _BY_TABLE:
        return _BY_TABLE[format_name](summaries, table)
    return FORMATS.render(format_name, summaries)


_BY_TABLE = {"markdown": markdown.render, "latex": latex.render}
