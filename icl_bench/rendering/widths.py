"""How a table is made to fit a width: heads on two lines, labels shortened, columns split into parts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from icl_bench.formatting import shortened
from icl_bench.rendering.table import Column, Table

SHORTEST_LABEL = 10


def head_lines(column: Column) -> list[str]:
    """Return `covariate/scale` on two lines where no group stands above it: columns of short numbers stay narrow."""
    axis, slash, name = column.title.partition("/")
    return [f"{axis}{slash}", name] if slash and not column.group else [column.title]


def column_widths(table: Table) -> list[int]:
    """Return the characters of each column's widest cell or line of its head."""
    return [
        max([*map(len, head_lines(column)), *(len(cell.text) for cell in table.column(index))])
        for index, column in enumerate(table.columns)
    ]


def label_widths(table: Table, beside: int, width: int, gap: int) -> list[int]:
    """Return the width of each label column beside columns of `beside` characters.

    What the table is wider than `width` by is taken from the labels, the widest first, as long as no two come to read
    alike, and a single label column keeps a fifth of the width (with several, a row is a sentence, worse off in parts
    than with short names). Where even that would not let the table fit, it is to be split: labels get a third, a single
    column of them up to half where its names read alike before.
    """
    texts = [[row.labels[place] for row in table.rows] for place in range(len(table.labels))]
    found = [max([len(head), *map(len, names)]) for head, names in zip(table.labels, texts, strict=True)]
    found[0] = max(found[0], len(table.title))
    excess = sum(found) + gap * (len(found) - 1) + beside - width
    if excess <= 0:
        return found
    least = SHORTEST_LABEL if len(found) > 1 else max(SHORTEST_LABEL, width // 5)
    floors = [_shortest_distinct(names, least) for names in texts]
    if excess > sum(max(own - floor, 0) for own, floor in zip(found, floors, strict=True)):
        third = max(SHORTEST_LABEL, width // 3)
        if len(found) == 1:
            return [min(found[0], max(third, min(floors[0], width // 2)))]
        floors = [third] * len(found)
    for _ in range(excess):
        able = [place for place, own in enumerate(found) if own > floors[place]]
        if not able:
            break
        found[max(able, key=found.__getitem__)] -= 1
    return found


def _shortest_distinct(names: Sequence[str], least: int) -> int:
    """Return the smallest width, from `least` on, in which names that differ are still told apart."""
    different = set(names)
    longest = max(map(len, different), default=0)
    told_apart = (
        width
        for width in range(least, longest)
        if len({shortened(name, width) for name in different}) == len(different)
    )
    return next(told_apart, max(least, longest))


def parts(table: Table, widths: Sequence[int], room: int, gap: int) -> list[list[int]]:
    """Return the columns of each part that fits in `room` characters, each with the fixed ones; none is ever cut.

    A column takes its width and the gap before it. A single column wider than the room is a part of its own.
    """
    fixed = list(range(table.fixed))
    room -= sum(widths[index] + gap for index in fixed)
    rest = list(range(table.fixed, len(table.columns)))
    found: list[list[int]] = [[]]
    for index in rest:
        if found[-1] and _spread(table, widths, [*found[-1], index], gap) > room:
            found.append([])
        found[-1].append(index)
    even = _evenly(rest, len(found))
    if all(_spread(table, widths, part, gap) <= room for part in even):  # rather than one full part and a lone column
        found = even
    return [[*fixed, *part] for part in found]


def _evenly(columns: Sequence[int], count: int) -> list[list[int]]:
    ends = [round(len(columns) * part / count) for part in range(count + 1)]
    return [list(columns[start:end]) for start, end in itertools.pairwise(ends)]


def _spread(table: Table, widths: Sequence[int], columns: Sequence[int], gap: int) -> int:
    """Return the characters that columns and the names of their groups take."""
    total = 0
    for name, members in itertools.groupby(columns, lambda index: table.columns[index].group):
        total += max(sum(widths[index] + gap for index in members), len(name) + gap)
    return total
