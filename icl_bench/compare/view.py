"""What every format shows of a comparison, before it becomes text: verdict, sections, cases, annotations, record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WORSE, BETTER, UNSURE, SAME = "worse", "better", "unsure", "same"
"""How an entry of a table stands; terminals colour by it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a table."""

    text: str
    standing: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of entries under heads; the first `labels` columns are names, the rest are numbers."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    labels: int = 1


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part; `detail` ones are for those who ask for everything."""

    title: str
    lines: tuple[str, ...] = ()
    table: Table | None = None
    detail: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One cell as a test case."""

    scenario: str
    name: str
    outcome: str  # passed | failure | error | skipped
    message: str


@dataclass(frozen=True, slots=True)
class Annotation:
    """One remark for the page of a change on GitHub."""

    level: str  # error | warning | notice
    title: str
    message: str


@dataclass(frozen=True, slots=True)
class View:
    """Everything that any format shows."""

    verdict: str  # one line, first everywhere
    standing: str  # worse | unsure | same: colour of the verdict
    exit_code: int
    head: tuple[str, ...]
    sections: tuple[Section, ...]
    cases: tuple[Case, ...]
    annotations: tuple[Annotation, ...]
    record: Mapping[str, Any]  # what --json prints, but for verdict and exit code
