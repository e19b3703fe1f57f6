"""Figure `interaction`: what a joint shift does beyond its single shifts, every model with its 95% interval.

Shown is log R(joint) - sum log R(single) + (k - 1) log R(unshifted) of k shifts: 0 when the risks multiply.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from icl_bench.errors import IncompleteError
from icl_bench.figures.choice import Choice
from icl_bench.figures.dot_panels import DotGroup, draw_dot_groups
from icl_bench.figures.loaded_run import LoadedRun
from icl_bench.figures.places import chosen_points
from icl_bench.figures.request import Request
from icl_bench.figures.style import PALETTE, ModelStyle
from icl_bench.figures.whiskers import Dot, DotPanel, linear_scale
from icl_bench.figures.wording import point_text
from icl_bench.scores.records import INTERACTION, POINT, RunScore

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOOK = ModelStyle(PALETTE[0], "o", ())
PANEL_WIDTH = 1.05
STRONGEST = 5.0
"""Interactions beyond this, a factor of 150 in risk, are off the scale."""


def draw(request: Request, runs: Sequence[LoadedRun], choice: Choice) -> Figure:
    """Return the figure; IncompleteError when the run has no joint shift."""
    [run] = runs
    scores = run.summary.run_scores
    found = scores.of(INTERACTION, POINT)
    joint = {(scenario, label) for _, scenario, label in found}
    points = [
        point
        for point in chosen_points(request, runs, choice, every=True)
        if (point.place.scenario, point.place.label) in joint
    ]
    panels = [
        DotPanel(
            point_text(point),
            tuple(_dots(found.get((model, point.place.scenario, point.place.label))) for model in choice.models),
        )
        for point in points
    ]
    drawn = tuple(panel for panel in panels if panel.values)
    if not drawn:
        raise IncompleteError(
            f"nothing to draw: {scores.note or 'no chosen model has the interaction of a chosen joint shift'};"
            " run a suite with a joint shift (`product = [...]` in a [[scenarios]] table) and with its single shifts"
        )
    scale = linear_scale([value for panel in drawn for value in (*panel.values, *panel.ends)], STRONGEST, 0.0)
    return draw_dot_groups(request, [DotGroup(drawn, scale, "interaction (log risk)")], choice.models, PANEL_WIDTH, [])


def _dots(score: RunScore | None) -> tuple[Dot, ...]:
    if score is None or score.value is None:
        return ()
    return (Dot(score.value, score.low, score.high, LOOK),)
