"""What every format shows of a comparison, before it becomes text: verdict, parts, cases, annotations, record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from icl_bench.rendering.table import Table


@dataclass(frozen=True, slots=True)
class Part:
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
    parts: tuple[Part, ...]
    cases: tuple[Case, ...]
    annotations: tuple[Annotation, ...]
    record: Mapping[str, Any]  # what --json prints, but for verdict and exit code
