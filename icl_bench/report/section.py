"""What a section of a report is: one file of `report/sections` says all of it, every format shows it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from icl_bench.rendering.table import Table
from icl_bench.scores.curves import Curve
from icl_bench.scores.summary import Summary

Record = Mapping[str, Any]
"""One row of csv: plain values by column, absent ones None."""


@dataclasses.dataclass(frozen=True, slots=True)
class Content:
    """What a section says of one run; plain texts, shown from top to bottom."""

    title: str = ""  # empty: its tables have titles of their own, and what follows them is the legend
    lead: tuple[str, ...] = ()  # lines before the tables
    colours: tuple[str, ...] = ()  # what colours mean: shown after the lead where there are any
    tables: tuple[Table, ...] = ()
    curves: tuple[Curve, ...] = ()
    notes: tuple[str, ...] = ()  # lines below


@dataclasses.dataclass(frozen=True, slots=True)
class Section:
    """One section; the name of its file is what `--table` calls it.

    `records` are the rows of its csv. In JSON it is `document`, by default its records under its name.
    """

    order: int  # where it stands among the others, ascending
    content: Callable[[Summary], Content | None]  # None where there is nothing to say
    records: Callable[[Summary], Iterable[Record]]
    fields: tuple[str, ...] = ()  # columns of its csv, in order; empty: those of its records, as they come
    document: Callable[[Summary], Mapping[str, Any]] | None = None
    needs_numbers: bool = True  # whether it is left out of a report in which no model has a number


def flat(item: Any) -> dict[str, Any]:
    """Return the fields of a frozen record as a row of csv, several values joined by `; `."""
    fields = dataclasses.asdict(item)
    return {key: "; ".join(value) if isinstance(value, tuple) else value for key, value in fields.items()}
