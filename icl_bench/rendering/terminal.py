"""Styled lines for a terminal: they fit a width, read without colour, and hold nothing that steers the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from icl_bench.formatting import plain, printable, shortened
from icl_bench.rendering.table import BETTER, SAME, UNSURE, WORSE, Cell, Table
from icl_bench.rendering.widths import column_widths, head_lines, label_widths, parts

if TYPE_CHECKING:
    from rich.text import Text

NARROWEST, WIDE = 40, 100
"""Narrower than the first nothing is laid out; from the second on columns stand two characters apart, else one."""
STYLES = {
    "near_bayes": "green",
    "between": "yellow",
    "at_zero": "red",
    "none": "magenta",
    "head": "bold",
    "empty": "dim",
    WORSE: "red",
    BETTER: "green",
    UNSURE: "yellow",
    SAME: "dim",
}


def styled(line: str, style: str = "") -> Text:
    """Return a line that is printed as it is, however wide."""
    from rich.text import Text

    return Text(plain(line), style=style, no_wrap=True, overflow="ignore")


def wrapped(line: str, width: int, style: str = "", indent: str = "  ") -> Iterator[Text]:
    """Yield a sentence in lines of at most `width` characters, all but the first after `indent`."""
    for part in textwrap.wrap(printable(line), width, subsequent_indent=indent, break_on_hyphens=False):
        yield styled(part, style)


def heading(title: str, width: int) -> Iterator[Text]:
    """Yield the title of a section, bold, after an empty line."""
    yield styled("")
    yield from wrapped(title, width, "bold", indent="")


def table_lines(table: Table, width: int) -> Iterator[Text]:
    """Yield a table, its labels shortened, or in parts below each other, where it is too wide."""
    table = _plain(table)
    gap = 2 if width >= WIDE else 1
    widths = column_widths(table)
    labels = label_widths(table, sum(own + gap for own in widths), width, gap)
    room = width - sum(labels) - gap * (len(labels) - 1)
    for number, columns in enumerate(parts(table, widths, room, gap)):
        if number:
            yield styled("")
        yield from _part(table.only(columns), labels, [widths[index] for index in columns], gap)


def _plain(table: Table) -> Table:
    """Return a table whose texts are as wide as they are printed."""
    rows = tuple(
        replace(
            row,
            labels=tuple(map(plain, row.labels)),
            cells=tuple(replace(cell, text=plain(cell.text)) for cell in row.cells),
        )
        for row in table.rows
    )
    columns = tuple(replace(column, title=plain(column.title), group=plain(column.group)) for column in table.columns)
    labels = tuple(map(plain, table.labels))
    return replace(table, title=plain(table.title), labels=labels, columns=columns, rows=rows)


def _part(table: Table, labels: Sequence[int], widths: Sequence[int], gap: int) -> Iterator[Text]:
    """Yield the groups where there are any, the heads, and the rows with their rule."""
    widths = _widened(table, widths, gap)
    label_room = sum(labels) + gap * (len(labels) - 1)
    above = _above(table, label_room, widths, gap)
    if above.plain:
        yield above
    yield from _heads(table, labels, widths, gap)
    for number, row in enumerate(table.rows):
        if number == table.rule_after:
            yield styled("-" * (label_room + sum(widths) + gap * len(widths)), "dim")
        yield _row(table, row.labels, row.cells, labels, widths, gap)


def _widened(table: Table, widths: Sequence[int], gap: int) -> list[int]:
    """Return the widths, the last of a group widened where the group's name is longer."""
    found: list[int] = []
    for name, members in table.groups():
        own = list(widths[len(found) : len(found) + len(members)])
        own[-1] += max(0, len(name) - sum(own) - gap * (len(own) - 1))
        found.extend(own)
    return found


def _above(table: Table, label_room: int, widths: Sequence[int], gap: int) -> Text:
    line = styled(f"{shortened(table.title, label_room):<{label_room}}", "bold")
    position = 0
    for name, members in table.groups():
        room = sum(widths[position : position + len(members)]) + gap * (len(members) - 1)
        line.append(" " * gap + f"{name:<{room}}", "bold")
        position += len(members)
    line.rstrip()
    return line


def _heads(table: Table, labels: Sequence[int], widths: Sequence[int], gap: int) -> Iterator[Text]:
    """Yield the heads, those of one line level with the last line of the others."""
    heads = [head_lines(column) for column in table.columns]
    height = max(map(len, heads), default=1)
    for level in range(height):
        found = [["", *lines][max(0, level - height + len(lines) + 1)] for lines in heads]
        names = table.labels if level == height - 1 else ("",) * len(labels)
        yield _row(table, names, [Cell(text, "head") for text in found], labels, widths, gap, "bold")


def _row(
    table: Table,
    names: Sequence[str],
    cells: Sequence[Cell],
    labels: Sequence[int],
    widths: Sequence[int],
    gap: int,
    style: str = "",
) -> Text:
    line = styled("")
    for name, room in zip(names, labels, strict=True):
        line.append(f"{shortened(name, room):<{room}}" + " " * gap, style if name else "")
    for column, cell, room in zip(table.columns, cells, widths, strict=True):
        space = " " * (room - len(cell.text))
        line.append(space if column.align == "right" else "")
        line.append(cell.text, STYLES.get(cell.standing, ""))
        line.append((space if column.align == "left" else "") + " " * gap)
    line.rstrip()
    return line
