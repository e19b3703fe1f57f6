"""A panel of curves against the severity of one scenario, for the figures `skill` and `severity`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from icl_bench.figures.curve_panel import CurvePanel
from icl_bench.figures.loaded_run import LoadedRun
from icl_bench.figures.series import Series, identity_severity
from icl_bench.figures.severity_axis import draw_severities, severity_axis

PANEL_INCHES = (1.3, 1.45)


def severity_panel(runs: Sequence[LoadedRun], scenario: str, series: Sequence[Series]) -> CurvePanel:
    """Return the panel, its axis called what the dial measures, such as `noise variance`, as far as that is known."""
    axis = severity_axis([mark.x for item in series for mark in item.marks] or [0.0])
    identities = (identity_severity(run, scenario) for run in runs)
    identity = next((value for value in identities if value is not None), None)
    dial = next((run.dials[scenario] for run in runs if scenario in run.dials), "severity")
    dress = partial(draw_severities, axis=axis, identity=identity)
    return CurvePanel(scenario, scenario, dial, "", tuple(series), axis.position, dress)
