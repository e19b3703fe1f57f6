"""A comparison as Markdown, for a job summary or a comment."""

from __future__ import annotations

from icl_bench.compare.view import Part, View
from icl_bench.rendering.escaping import markdown
from icl_bench.rendering.markdown import heading_lines, item_lines, table_lines

MOST_ROWS = 200
"""Rows of a detail table; --format json has them all."""


def render(view: View) -> str:
    """Return the comparison as one Markdown text, the details folded."""
    lines = [*heading_lines(2, view.verdict), *item_lines(view.head)]
    for part in view.parts:
        lines += _part(part)
    return "\n".join(lines).rstrip() + "\n"


def _part(part: Part) -> list[str]:
    body = [*item_lines(part.lines), *(table_lines(part.table, MOST_ROWS) if part.table else [])]
    if part.detail:
        return ["<details>", f"<summary>{markdown(part.title)}</summary>", "", *body, "</details>", ""]
    return [*heading_lines(3, part.title), *body] if part.title else body
