"""What is asked of a figure, checked before matplotlib is loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from icl_bench.errors import UsageError
from icl_bench.names import nearest

KINDS = ("skill", "severity", "context", "heatmap", "scores", "agreement", "interaction", "breakdown")
OVERLAID = ("skill", "severity", "context")
"""Kinds of curves: they lay several runs over each other, and a user's own curves; the others take one run."""
WITH_METRIC = ("severity", "context", "heatmap")
WITH_SEVERITY = ("context", "heatmap", "agreement", "interaction")
SUFFIXES = (".pdf", ".svg", ".png", ".eps")
TEXT_WIDTH = 5.5
"""Inches: the text of a NeurIPS or ICLR paper; a column of a two-column paper has 3.25."""
SMALLEST_SIDE, LARGEST_SIDE = 1.5, 100.0


@dataclass(frozen=True, slots=True)
class Request:
    """One figure as the user wants it; raises UsageError, with what is allowed, when that cannot be."""

    kind: str
    out: Path | None  # None: the figure is drawn for Python
    models: tuple[str, ...] = ()  # names or globs; empty: all
    scenarios: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()  # as the tables print them; empty: all, or the kind's own choice
    metric: str | None = None  # None: the kind's own choice
    overlays: tuple[Path, ...] = ()  # CSV files of curves to lay over the figure
    width: float = TEXT_WIDTH  # inches
    height: float | None = None  # inches; None: what the panels take

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(
                f"no figure is called {self.kind!r}{nearest(self.kind, KINDS)}; expected one of {', '.join(KINDS)}"
            )
        if self.out is not None and self.out.suffix.lower() not in SUFFIXES:
            raise UsageError(
                f"--out {self.out}: expected a file that ends with one of {', '.join(SUFFIXES)};"
                " the ending is the format"
            )
        for name, side in (("--width", self.width), ("--height", self.height)):
            if side is not None and not (math.isfinite(side) and SMALLEST_SIDE <= side <= LARGEST_SIDE):
                raise UsageError(f"{name} {side:g}: expected inches from {SMALLEST_SIDE:g} to {LARGEST_SIDE:g}")
        for option, given, kinds in (
            ("--metric", self.metric is not None, WITH_METRIC),
            ("--severity", bool(self.severities), WITH_SEVERITY),
            ("--overlay", bool(self.overlays), OVERLAID),
        ):
            if given and self.kind not in kinds:
                raise UsageError(f"{option} means nothing to --kind {self.kind}; it is for {', '.join(kinds)}")

    @property
    def transparent(self) -> bool:
        """Whether the format can draw one thing through another; PostScript cannot."""
        return self.out is None or self.out.suffix.lower() != ".eps"
