"""Panels of curves side by side on one scale of values, for the figures `skill`, `severity` and `context`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from icl_bench.figures.choice import Choice
from icl_bench.figures.curve_key import curve_key
from icl_bench.figures.curve_panel import CurvePanel
from icl_bench.figures.curves import ValueAxis, draw_series, draw_values, value_axis
from icl_bench.figures.loaded_run import LoadedRun
from icl_bench.figures.model_looks import model_looks, style_of
from icl_bench.figures.overlay import check_seen, laid_over
from icl_bench.figures.page import finish, label_panel, name_below, panel_grid
from icl_bench.figures.request import Request
from icl_bench.figures.series import Series
from icl_bench.scores.metric_wording import axis_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARGIN_INCHES = 0.45
"""What the values beside the panels take."""


def draw_panels(
    request: Request,
    runs: Sequence[LoadedRun],
    choice: Choice,
    panels: Sequence[CurvePanel],
    size: tuple[float, float],
    *,
    axis_of: Callable[[Sequence[Sequence[Series]]], ValueAxis] | None = None,
    y_text: str | None = None,
) -> Figure:
    """Return a figure of panels of at least this width and about this height (inches), their values on one scale.

    `axis_of` (from the curves of the panels) and `y_text` are those of the chosen metric unless they are told.
    """
    panels = laid_over(request, panels)
    drawn = [panel.series for panel in panels]
    negative = any(run.summary.roles.can_be_negative(choice.metric) for run in runs)
    scale = axis_of(drawn) if axis_of else value_axis(drawn, linear=negative)
    check_seen(panels, scale)
    found = model_looks(runs)
    texts = [panel.x_text for panel in panels]
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
        if place.is_lowest or len(set(texts)) > 1:
            name_below(axes, panel.x_text, grid.panel_width)
    names = [run.name for run in runs]
    key = curve_key(choice.models, found, names, drawn, scale, transparent=request.transparent)
    return finish(request, grid.figure, key)
