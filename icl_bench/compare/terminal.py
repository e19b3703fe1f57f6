"""A comparison for the terminal: the verdict first, tables that fit a width, sense without colour."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from icl_bench.compare.view import BETTER, SAME, UNSURE, WORSE, Entry, Section, Table, View
from icl_bench.text import printable, shortened

if TYPE_CHECKING:
    from rich.text import Text

NARROWEST, WIDE = 40, 100
"""Narrower than the first nothing is laid out; from the second on columns stand two characters apart."""
SHORTEST_LABEL = 10
STYLES = {WORSE: "red", BETTER: "green", UNSURE: "yellow", SAME: "dim"}
VERDICT_STYLES = {WORSE: "bold red", UNSURE: "bold yellow", SAME: "bold green"}


def lines(view: View, width: int, verbose: bool) -> Iterator[Text]:
    """Yield the comparison line by line, in at most `width` characters; details only when `verbose`."""
    width = max(width, NARROWEST)
    for line in textwrap.wrap(printable(view.verdict), width, subsequent_indent="  ", break_on_hyphens=False):
        yield _text(line, VERDICT_STYLES.get(view.standing, "bold"))
    for text in view.head:
        yield from _wrapped(text, width)
    for section in view.sections:
        if verbose or not section.detail:
            yield from _section(section, width)
    if not verbose and any(section.detail for section in view.sections):
        yield _text("")
        yield from _wrapped("--verbose shows every cell, --format json every number.", width)


def _section(section: Section, width: int) -> Iterator[Text]:
    if section.title:
        yield _text("")
        yield _text(section.title, "bold")
    for line in section.lines:
        yield from _wrapped(line, width)
    if section.table is not None:
        yield from _table(section.table, width)


def _text(line: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(line, style=style, no_wrap=True, overflow="ignore")


def _wrapped(line: str, width: int) -> Iterator[Text]:
    for part in textwrap.wrap(printable(line), width, subsequent_indent="  ", break_on_hyphens=False):
        yield _text(part)


def _table(table: Table, width: int) -> Iterator[Text]:
    """Yield a table, its labels shortened, or in parts below each other, where it is too wide."""
    gap = 2 if width >= WIDE else 1
    heads = [_head_lines(head) if column >= table.labels else [head] for column, head in enumerate(table.heads)]
    widths = [
        max([*map(len, heads[column]), *(len(row[column].text) for row in table.rows)])
        for column in range(len(table.heads))
    ]
    numbers = range(table.labels, len(widths))
    _shorten_labels(widths, table.labels, gap, width)
    for place, part in enumerate(_parts(numbers, widths, gap, width, table.labels)):
        if place:
            yield _text("")
        yield from _part(table, [*range(table.labels), *part], heads, widths, gap)


def _shorten_labels(widths: list[int], labels: int, gap: int, width: int) -> None:
    """Take from the label columns, the widest first, what the table is too wide by.

    Where even short labels would not let it fit, it is split, and labels get a third of the width.
    """
    total = sum(widths) + gap * (len(widths) - 1)
    spare = sum(max(widths[column] - SHORTEST_LABEL, 0) for column in range(labels))
    shortest = SHORTEST_LABEL if total - spare <= width else max(SHORTEST_LABEL, width // 3)
    for _ in range(total - width):
        widest = max(range(labels), key=lambda column: widths[column])
        widths[widest] -= widths[widest] > shortest


def _head_lines(head: str) -> list[str]:
    """Return `covariate/scale` on two lines, so that columns of short numbers stay narrow."""
    axis, slash, name = head.partition("/")
    return [f"{axis}{slash}", name] if slash else [head]


def _parts(numbers: Sequence[int], widths: Sequence[int], gap: int, width: int, labels: int) -> Iterator[list[int]]:
    """Yield the number columns that fit beside the labels, at least one at a time."""
    own = sum(widths[:labels]) + gap * (labels - 1)
    part: list[int] = []
    used = own
    for column in numbers:
        if part and used + gap + widths[column] > width:
            yield part
            part, used = [], own
        part.append(column)
        used += gap + widths[column]
    yield part


def _part(
    table: Table, columns: Sequence[int], heads: Sequence[Sequence[str]], widths: Sequence[int], gap: int
) -> Iterator[Text]:
    height = max(len(heads[column]) for column in columns)
    for level in range(height):
        above = [
            Entry(heads[column][level - height + len(heads[column])] if level >= height - len(heads[column]) else "")
            for column in columns
        ]
        yield _row(above, columns, widths, gap, table.labels, "bold")
    for row in table.rows:
        yield _row([row[column] for column in columns], columns, widths, gap, table.labels)


def _row(
    entries: Sequence[Entry], columns: Sequence[int], widths: Sequence[int], gap: int, labels: int, style: str = ""
) -> Text:
    line = _text("")
    for place, (entry, column) in enumerate(zip(entries, columns, strict=True)):
        text = shortened(entry.text, widths[column])
        line.append(" " * gap if place else "")
        padded = f"{text:<{widths[column]}}" if column < labels else f"{text:>{widths[column]}}"
        line.append(padded, style or STYLES.get(entry.standing, ""))
    line.rstrip()
    return line
