"""Figure `agreement`: how far each learner's answers are from those of reference algorithms.

Shown is E(prediction - reference's prediction)^2 over the risk of predicting zero (Akyurek et al. 2211.15661 call it
the squared prediction difference): the algorithm with the smallest is the one that the learner resembles most.
The interval is that of the numerator; the risk of predicting zero is taken as known.
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
from icl_bench.figures.style import ModelStyle, look, name_text
from icl_bench.figures.whiskers import Dot, DotPanel, log_scale
from icl_bench.figures.wording import point_text
from icl_bench.rendering.looks import COLOURS, MARKS, Look
from icl_bench.scores.points import Point
from icl_bench.scores.rows import Statistic
from icl_bench.tables.metric_roles import MetricRoles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TO_BAYES = "Bayes under the test law"
"""Excess risk is the squared distance to the Bayes prediction under the test law."""
NO_DISTANCE = 1e-12
"""Below this share of the risk of predicting zero, answers are the reference's own."""
PANEL_WIDTH = 1.6


def reference_metrics(roles: MetricRoles) -> dict[str, str]:
    """Return label -> reference of the metrics of a run that are distances to a reference algorithm's answers."""
    found = {label: name_text(reference) for reference, label in roles.distances.items()}
    return {**found, roles.excess: TO_BAYES} if found and roles.excess is not None else found


def draw(request: Request, runs: Sequence[LoadedRun], choice: Choice) -> Figure:
    """Return the figure; IncompleteError when the run measured no agreement or no chosen cell has a number."""
    [run] = runs
    metrics = reference_metrics(run.summary.roles)
    points = [point for point in chosen_points(request, runs, choice) if point.zero_risk]
    panels = [_panel(run, point, choice.models, tuple(metrics)) for point in points]
    panels = [panel for panel in panels if panel.values]
    if not panels:
        raise IncompleteError(
            "nothing to draw: no chosen model has an agreement here; let the suite measure some, such as"
            ' `use = [..., "agreement:ols", "agreement:bayes_train"]` under [metrics], and run it again'
        )
    scale = log_scale([value for panel in panels for value in panel.values], 100.0, None)
    entries = [(reference, _look(index)) for index, reference in enumerate(metrics.values())]
    group = DotGroup(tuple(panels), scale, "squared distance / risk of zero")
    return draw_dot_groups(request, [group], choice.models, PANEL_WIDTH, entries)


def _panel(run: LoadedRun, point: Point, models: Sequence[str], metrics: Sequence[str]) -> DotPanel:
    return DotPanel(
        point_text(point),
        tuple(
            tuple(
                dot
                for index, metric in enumerate(metrics)
                if (dot := _dot(run.rows.get(point.place, model, metric, point.context_size), point, index)) is not None
            )
            for model in models
        ),
    )


def _dot(found: object, point: Point, reference: int) -> Dot | None:
    if not isinstance(found, Statistic) or not point.zero_risk:
        return None
    zero, how = point.zero_risk, _look(reference)
    low, high = (None if end is None else end / zero for end in (found.low, found.high))
    return Dot(max(found.value / zero, NO_DISTANCE), low, high, how, found.kind != "median")


def _look(reference: int) -> ModelStyle:
    """Return how a reference is drawn: these are no models of the run, and go by their order."""
    return look(Look(reference % COLOURS, reference % MARKS), 0, 1)
