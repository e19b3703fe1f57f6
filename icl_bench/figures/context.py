"""Figure `context`: risk against context size, one panel a scenario and severity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from icl_bench.errors import IncompleteError
from icl_bench.figures.choice import Choice
from icl_bench.figures.curve_panel import CurvePanel
from icl_bench.figures.curve_panels import draw_panels
from icl_bench.figures.loaded_run import LoadedRun
from icl_bench.figures.places import chosen_points
from icl_bench.figures.request import Request
from icl_bench.figures.series import against_context
from icl_bench.figures.wording import point_text
from icl_bench.scores.points import Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_INCHES = (1.7, 1.8)


def draw(request: Request, runs: Sequence[LoadedRun], choice: Choice) -> Figure:
    """Return the figure; IncompleteError when no model has a number there."""
    panels = [_panel(runs, point, choice) for point in chosen_points(request, runs, choice)]
    panels = [panel for panel in panels if panel.has_models]
    if not panels:
        raise IncompleteError(
            f"nothing to draw: no chosen model has a {choice.metric} at a chosen scenario and severity;"
            " choose others with --models, --scenarios and --severity (`icl-bench report` says what failed)"
        )
    return draw_panels(request, runs, choice, panels, PANEL_INCHES)


def _panel(runs: Sequence[LoadedRun], point: Point, choice: Choice) -> CurvePanel:
    series = tuple(
        item
        for index, run in enumerate(runs)
        for place in [other.place for other in run.summary.points if _same(other, point)]
        for item in against_context(run, index, place, choice.of(run), choice.metric)
    )
    xs = [mark.x for item in series for mark in item.marks]
    return CurvePanel(
        point_text(point),
        point.place.scenario,
        "examples in context",
        point.place.label,
        series,
        partial(_within, xs=xs),
        _whole_ticks,
    )


def _within(x: float, xs: Sequence[float]) -> float:
    """Return a size's place on the axis; nan beyond the sizes that were asked for."""
    return x if min(xs) <= x <= max(xs) else math.nan


def _same(one: Point, other: Point) -> bool:
    return (one.place.scenario, one.place.label) == (other.place.scenario, other.place.label)


def _whole_ticks(axes: Axes, _width: float) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
