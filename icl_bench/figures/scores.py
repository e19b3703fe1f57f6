"""Figure `scores`: SDR and AUSC of every model on every axis of shift, each with its 95% interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from icl_bench.errors import IncompleteError
from icl_bench.figures.choice import Choice
from icl_bench.figures.dot_panels import DotGroup, draw_dot_groups
from icl_bench.figures.loaded_run import LoadedRun
from icl_bench.figures.request import Request
from icl_bench.figures.style import PALETTE, ModelStyle
from icl_bench.figures.whiskers import Dot, DotPanel, linear_scale, log_scale
from icl_bench.scores.records import AUSC, AXIS, SDR, RunScore, RunScores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WHOLE, PARTIAL = ModelStyle(PALETTE[0], "o", ()), ModelStyle(PALETTE[1], "D", ())
PANEL_WIDTH = 0.85
MOST_DEGRADED = 1e4
"""An SDR beyond this is off the scale, an AUSC beyond its logarithm."""


def draw(request: Request, runs: Sequence[LoadedRun], choice: Choice) -> Figure:
    """Return the figure; IncompleteError when the run has no such score."""
    [run] = runs
    scores = run.summary.run_scores
    axes = tuple(dict.fromkeys(scenario.partition("/")[0] for scenario in choice.scenarios))
    degradation, suboptimality = (_panels(scores, name, axes, choice.models) for name in (SDR, AUSC))
    if not any(panel.values for panel in (*degradation, *suboptimality)):
        raise IncompleteError(
            f"nothing to draw: {scores.note or 'no chosen model has a run-level score on a chosen axis of shift'};"
            " scores need the losses of a run with a scenario base, shifted scenarios and the metric excess_risk"
        )
    sdr_values, ausc_values = (
        [value for panel in group for value in (*panel.values, *panel.ends)] for group in (degradation, suboptimality)
    )
    both = (
        DotGroup(degradation, log_scale(sdr_values, MOST_DEGRADED, 1.0), "SDR"),
        DotGroup(suboptimality, linear_scale(ausc_values, math.log10(MOST_DEGRADED), 0.0), "AUSC"),
    )
    groups = [group for group in both if group.panels]
    dots = [dot for group in groups for panel in group.panels for row in panel.rows for dot in row]
    partial = any(dot.look is PARTIAL for dot in dots)
    entries = [("every severity", WHOLE), ("fewer severities than the run has", PARTIAL)] if partial else []
    return draw_dot_groups(request, groups, choice.models, PANEL_WIDTH, entries)


def _panels(scores: RunScores, name: str, axes: Sequence[str], models: Sequence[str]) -> tuple[DotPanel, ...]:
    found = scores.of(name, AXIS)
    panels = [DotPanel(axis, tuple(_dots(found.get((model, axis, ""))) for model in models)) for axis in axes]
    return tuple(panel for panel in panels if panel.values)


def _dots(score: RunScore | None) -> tuple[Dot, ...]:
    if score is None or score.value is None:
        return ()
    return (Dot(score.value, score.low, score.high, WHOLE if score.n_points == score.n_possible else PARTIAL),)
