"""Panels of curves side by side on one scale of values, for the figures `skill`, `severity` and `context`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from icl_bench.figures.choice import Choice
from icl_bench.figures.curve_key import curve_key
from icl_bench.figures.curves import ValueAxis, draw_series, draw_values, value_axis
from icl_bench.figures.loaded_run import LoadedRun
from icl_bench.figures.model_looks import model_looks, style_of
from icl_bench.figures.page import finish, label_panel, panel_grid
from icl_bench.figures.request import Request
from icl_bench.figures.series import MODEL, OVERLAY, CurveMark, Series
from icl_bench.scores.metric_wording import axis_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN_INCHES = 0.45
"""What the values beside the panels take."""


@dataclass(frozen=True, slots=True)
class CurvePanel:
    """The curves of one panel."""

    label: str
    scenario: str
    x_text: str  # what the horizontal axis measures
    series: tuple[Series, ...]
    place: Callable[[float], float]  # x of a mark -> x on the axis
    dress: Callable[[Axes, float], None]  # gives the horizontal axis its ticks; the panel's width in inches

    @property
    def has_models(self) -> bool:
        """Whether any model has a number here."""
        return any(series.role == MODEL for series in self.series)

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest x of a mark."""
        xs = [mark.x for series in self.series for mark in series.marks]
        return min(xs), max(xs)

    def overlay(self, label: str, number: int, points: Sequence[tuple[float, float]]) -> Series:
        """Return a curve of the user's with these points, (x, value)."""
        return Series(OVERLAY, label, number, tuple(CurveMark(x, value) for x, value in points))


def draw_panels(
    request: Request,
    runs: Sequence[LoadedRun],
    choice: Choice,
    panels: Sequence[CurvePanel],
    size: tuple[float, float],
    *,
    scale: ValueAxis | None = None,
    y_text: str | None = None,
) -> Figure:
    """Return a figure of panels of at least this width and about this height (inches), their values on one scale.

    `scale` and `y_text` are those of the chosen metric unless they are told.
    """
    negative = any(run.summary.roles.can_be_negative(choice.metric) for run in runs)
    scale = scale or value_axis([panel.series for panel in panels], linear=negative)
    found = model_looks(runs)
    grid = panel_grid(request, [len(panels)], *size, MARGIN_INCHES, sharey=True)
    for place, panel in zip(grid.panels, panels, strict=True):
        axes = place.axes
        draw_values(axes, scale)
        panel.dress(axes, grid.panel_width)
        label_panel(axes, panel.label, grid.panel_width)
        for series in panel.series:
            how = style_of(found, series.name, series.run, len(runs))
            draw_series(axes, series, how, panel.place, scale, transparent=request.transparent)
        if place.is_left:
            axes.set_ylabel(y_text or axis_text(runs[0].summary.roles, choice.metric))
        if place.is_lowest or len({panel.x_text for panel in panels}) > 1:
            axes.set_xlabel(panel.x_text)
    names = [run.name for run in runs]
    drawn = [panel.series for panel in panels]
    key = curve_key(choice.models, found, names, drawn, scale, transparent=request.transparent)
    return finish(request, grid.figure, key)
