"""One panel of curves: what stands in it, and how its horizontal axis goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from icl_bench.figures.series import MODEL, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class CurvePanel:
    """The curves of one panel."""

    label: str
    scenario: str
    x_text: str  # what its horizontal axis is
    severity: str  # as tables print it; empty where the severity is the horizontal axis
    series: tuple[Series, ...]
    place: Callable[[float], float]  # x of a mark -> x on the axis; nan off the panel
    dress: Callable[[Axes, float], None]  # gives the horizontal axis its ticks; the panel's width in inches

    @property
    def has_models(self) -> bool:
        """Whether any model has a number here."""
        return any(series.role == MODEL for series in self.series)

    @property
    def reach(self) -> tuple[float, float]:
        """The smallest and the largest x of any mark."""
        xs = [mark.x for series in self.series for mark in series.marks]
        return min(xs), max(xs)
