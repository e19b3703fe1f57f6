"""LaTeX tables (packages booktabs and textcomp), split so that a page holds them."""

from __future__ import annotations

from collections.abc import Iterable

from icl_bench.rendering.escaping import latex
from icl_bench.rendering.table import Table
from icl_bench.rendering.widths import parts

WIDTH = 90  # characters of a table's text that fit a page at \small
GAP = 2


def table_lines(table: Table, caption: str) -> list[str]:
    """Return a table as one float a part, `caption` (plain text) below the first."""
    widths = [
        max([len(column.title), *(len(cell.text) for cell in table.column(index))])
        for index, column in enumerate(table.columns)
    ]
    label_room = sum(
        max((len(row.labels[place]) for row in table.rows), default=0) for place in range(len(table.labels))
    )
    lines = []
    for number, columns in enumerate(parts(table, widths, WIDTH - label_room, GAP)):
        text = caption if number == 0 else f"{table.title or 'The same'}, continued."
        lines += [
            r"\begin{table}",
            r"\centering\small",
            *_tabular(table.only(columns)),
            rf"\caption{{{latex(text)}}}",
            r"\end{table}",
            "",
        ]
    return lines


def _tabular(table: Table) -> list[str]:
    groups, rules, position = [""] * len(table.labels), [], len(table.labels) + 1
    for name, members in table.groups():
        last = position + len(members) - 1
        groups.append(rf"\multicolumn{{{len(members)}}}{{c}}{{{latex(name)}}}")
        rules += [rf"\cmidrule(lr){{{position}-{last}}}"] if name else []
        position = last + 1
    shape = "l" * len(table.labels) + "r" * len(table.columns)
    lines = [rf"\begin{{tabular}}{{{shape}}}", r"\toprule", _row(groups), "".join(rules)]
    lines.append(_row(map(latex, [*table.labels, *(column.title for column in table.columns)])))
    for number, row in enumerate(table.rows):
        lines += [r"\midrule"] if number in (0, table.rule_after) else []
        lines.append(_row(map(latex, [*row.labels, *(cell.text for cell in row.cells)])))
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _row(texts: Iterable[str]) -> str:
    return " & ".join(texts) + r" \\"
