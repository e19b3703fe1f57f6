"""A table of text before it has a format: the terminal, Markdown, LaTeX and pages each lay out the same one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

WORSE, BETTER, UNSURE, SAME = "worse", "better", "unsure", "same"
"""How what is newer stands beside what it is compared with."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One piece of plain text; whatever is not text is for those who can show it."""

    text: str
    standing: str = ""  # near_bayes | between | at_zero | none | head | empty, or one of the above: decides the colour
    key: float | None = None  # what a sortable column sorts it by; None sorts last
    asides: tuple[str, ...] = ()  # set small beside the text where there is room: an interval, a coverage of 7/9
    note: str = ""  # a remark, shown below the table where its cells can be marked


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column of cells, and the group that it stands under with its neighbours."""

    title: str
    group: str = ""
    align: Literal["left", "right"] = "left"  # on the terminal; elsewhere cells are numbers and stand on the right


@dataclass(frozen=True, slots=True)
class Row:
    """Names, one a label column, and cells, one a column."""

    labels: tuple[str, ...]
    cells: tuple[Cell, ...]
    model: int | None = None  # index of the model that the row is about: what a page's toggles hide; None: always shown


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under heads; the first `fixed` columns are repeated in every part of a table that is split."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    labels: tuple[str, ...] = ("",)  # heads of the label columns, which stand before all others
    title: str = ""
    fixed: int = 0
    rule_after: int | None = 0  # rows above the rule (such as context sizes, the Bayes risk); None: no rule at all

    def groups(self) -> list[tuple[str, list[Column]]]:
        """Return neighbouring columns by the group that they stand under."""
        return [(name, list(members)) for name, members in itertools.groupby(self.columns, lambda column: column.group)]

    def column(self, index: int) -> list[Cell]:
        """Return the cells below a head."""
        return [row.cells[index] for row in self.rows]

    def only(self, columns: Sequence[int]) -> Table:
        """Return the table with these of its columns, all labels kept."""
        rows = tuple(replace(row, cells=tuple(row.cells[index] for index in columns)) for row in self.rows)
        return replace(self, columns=tuple(self.columns[index] for index in columns), rows=rows)


def by_column(
    columns: Iterable[tuple[Column, Sequence[Cell]]],
    models: Sequence[str],
    known: Sequence[str],
    heads: Sequence[str] = (),
) -> Table:
    """Return a table of models that is thought of column by column, with a rule below the rows called `heads`.

    Every column has a cell for each head, then one for each of `models`, which are some of the `known` ones.
    """
    found = list(columns)
    named = [*((head, None) for head in heads), *((model, known.index(model)) for model in models)]
    rows = tuple(
        Row((name,), tuple(cells[number] for _, cells in found), model) for number, (name, model) in enumerate(named)
    )
    return Table(tuple(column for column, _ in found), rows, rule_after=len(heads))


def of_rows(labels: Sequence[str], titles: Sequence[str], rows: Iterable[Row]) -> Table:
    """Return a table that is thought of row by row: names under `labels`, short numbers under `titles`, no rule."""
    columns = tuple(Column(title, align="right") for title in titles)
    return Table(columns, tuple(rows), tuple(labels), rule_after=None)
