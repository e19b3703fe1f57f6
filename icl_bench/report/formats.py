"""The formats a report comes in, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from icl_bench.errors import UsageError, nearest
from icl_bench.report import latex, markdown, records
from icl_bench.report.summary import Summary

Renderer = Callable[[Sequence[Summary]], str]

TERMINAL = "terminal"
HTML = "html"


def _html(summaries: Sequence[Summary]) -> str:
    from icl_bench.report.html.page import render as page

    return page(summaries)


RENDERERS: dict[str, Renderer] = {
    "markdown": markdown.render,
    "csv": records.render_csv,
    "json": records.render_json,
    "latex": latex.render,
    HTML: _html,
}
FORMATS = (TERMINAL, *RENDERERS)


def check_format(name: str) -> None:
    """Raise UsageError unless there is a format of this name."""
    if name not in FORMATS:
        raise UsageError(f"no format is called {name!r}{nearest(name, FORMATS)}; expected one of {', '.join(FORMATS)}")


def check_table(format_name: str, table: str) -> None:
    """Raise UsageError unless this format can show this table: all show every table, csv holds one at a time."""
    if table not in records.TABLES:
        known = records.TABLES
        raise UsageError(f"no table is called {table!r}{nearest(table, known)}; expected one of {', '.join(known)}")
    if table != records.HEADLINE and format_name != "csv":
        raise UsageError(f"--table {table} goes with --format csv; {format_name} shows every table")


def render(summaries: Sequence[Summary], format_name: str, table: str) -> str:
    """Return summaries in a format other than the terminal's."""
    if format_name == "csv":
        return records.render_table(summaries, table)
    return RENDERERS[format_name](summaries)
