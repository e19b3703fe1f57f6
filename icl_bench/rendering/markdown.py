"""Markdown that no name or message breaks: headings, lists, tables, blocks of text as it is."""

from __future__ import annotations

from collections.abc import Sequence

from icl_bench.rendering.escaping import fenced, markdown, markdown_line
from icl_bench.rendering.table import Table


def heading_lines(level: int, title: str) -> list[str]:
    """Return a heading of a level, 1 the largest, and an empty line."""
    return [f"{'#' * level} {markdown(title)}", ""]


def item_lines(texts: Sequence[str]) -> list[str]:
    """Return a list and an empty line; nothing without any text."""
    return [*(f"- {markdown_line(text)}" for text in texts), ""] if texts else []


def block_lines(lines: Sequence[str]) -> list[str]:
    """Return lines that stand as they are, each under the other, and an empty line."""
    return ["```text", *map(fenced, lines), "```", ""]


def table_lines(table: Table, most_rows: int | None = None) -> list[str]:
    """Return a table, unsplit, cut after `most_rows`, and an empty line."""
    heads = [*table.labels, *(f"{column.group} {column.title}" for column in table.columns)]
    lines = [_row(heads), f"| {' | '.join(['---'] * len(table.labels) + ['---:'] * len(table.columns))} |"]
    lines += [_row([*row.labels, *(cell.text for cell in row.cells)]) for row in table.rows[:most_rows]]
    if most_rows is not None and len(table.rows) > most_rows:
        lines += ["", f"and {len(table.rows) - most_rows:,} more rows: `--format json` has them all"]
    return [*lines, ""]


def _row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(map(markdown, texts))} |"
