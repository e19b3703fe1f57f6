"""The cells of a comparison, seeds pooled, and what may become of one that cannot be compared."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.places import Place
from icl_bench.tables.schema import LOOKED_UP

FAILED = ("error", "timeout", "nan", LOOKED_UP)
"""Statuses of a cell that was asked and gave no number that counts."""


@dataclass(frozen=True, slots=True)
class ComparedCell:
    """One model at one place; its seeds are pooled."""

    place: Place
    model: str

    @property
    def name(self) -> str:
        """`ols, covariate/scale 2`."""
        return f"{self.model}, {self.place.name}"


MISSING, BROKEN, SKIPPED, NEW = "missing", "failed", "skipped", "new"
"""Kinds of cells that are not compared; the first two make a comparison incomplete."""


@dataclass(frozen=True, slots=True)
class Uncompared:
    """A cell that is not compared on one seed, and why."""

    cell: ComparedCell
    seed: int
    kind: str  # missing | failed | skipped | new
    base: str  # status in BASE
    head: str  # status in HEAD
    message: str  # what the run that lacks it says

    @property
    def is_incomplete(self) -> bool:
        """Whether a comparison without it is incomplete."""
        return self.kind in (MISSING, BROKEN)
