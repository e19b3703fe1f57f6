"""A comparison as Markdown, for a job summary or a comment."""

from __future__ import annotations

from collections.abc import Sequence

from icl_bench.compare.view import Section, Table, View
from icl_bench.text import printable

MOST_ROWS = 200
"""Rows of a detail table; --format json has them all."""
_SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*_{}[]<>#|~$&@"})


def render(view: View) -> str:
    """Return the comparison as one Markdown text, the details folded."""
    lines = [f"## {escaped(view.verdict)}", "", *_items(view.head)]
    for section in view.sections:
        lines += _section(section)
    return "\n".join(lines).rstrip() + "\n"


def _section(section: Section) -> list[str]:
    body = [*_items(section.lines), *(_table(section.table) if section.table else [])]
    if section.detail:
        return ["<details>", f"<summary>{escaped(section.title)}</summary>", "", *body, "</details>", ""]
    return [f"### {escaped(section.title)}", "", *body] if section.title else body


def _items(texts: Sequence[str]) -> list[str]:
    return [*(f"- {escaped(text)}" for text in texts), ""] if texts else []


def _table(table: Table) -> list[str]:
    rules = ["---" if column < table.labels else "---:" for column in range(len(table.heads))]
    lines = [_row([escaped(head) for head in table.heads]), _row(rules)]
    lines += [_row([escaped(entry.text) for entry in row]) for row in table.rows[:MOST_ROWS]]
    if len(table.rows) > MOST_ROWS:
        lines += ["", f"and {len(table.rows) - MOST_ROWS:,} more rows: `--format json` has them all"]
    return [*lines, ""]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    """Return text that Markdown and HTML leave as it is, on one line."""
    return printable(text).translate(_SPECIAL)
