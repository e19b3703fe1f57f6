"""Figure `severity`: risk against severity, one panel a scenario, a line and band a model, the Bayes line below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from icl_bench.errors import IncompleteError
from icl_bench.figures.choice import Choice
from icl_bench.figures.curve_panel import CurvePanel
from icl_bench.figures.curve_panels import draw_panels
from icl_bench.figures.loaded_run import LoadedRun
from icl_bench.figures.request import Request
from icl_bench.figures.series import against_severity, dialled
from icl_bench.figures.severity_panel import PANEL_INCHES, severity_panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(request: Request, runs: Sequence[LoadedRun], choice: Choice) -> Figure:
    """Return the figure; IncompleteError when no scenario with one dial has a number."""
    panels = [_panel(runs, scenario, choice) for scenario in choice.scenarios if _has_dial(runs, scenario)]
    panels = [panel for panel in panels if panel.has_models]
    if not panels:
        raise IncompleteError(
            f"nothing to draw: no chosen model has a {choice.metric} in a chosen scenario with one severity;"
            " choose others with --models and --scenarios (joint shifts: --kind interaction), or run such a scenario"
        )
    return draw_panels(request, runs, choice, panels, PANEL_INCHES)


def _has_dial(runs: Sequence[LoadedRun], scenario: str) -> bool:
    return any(dialled(run, scenario) for run in runs)


def _panel(runs: Sequence[LoadedRun], scenario: str, choice: Choice) -> CurvePanel:
    series = tuple(
        item
        for index, run in enumerate(runs)
        if dialled(run, scenario)
        for item in against_severity(run, index, scenario, choice.of(run), choice.metric)
    )
    return severity_panel(runs, scenario, series)
