"""The scenarios and severities that a figure of single places shows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from icl_bench.errors import UsageError
from icl_bench.figures.choice import Choice
from icl_bench.figures.loaded_run import LoadedRun
from icl_bench.figures.request import Request
from icl_bench.names import nearest
from icl_bench.scores.points import Point


def chosen_points(
    request: Request, runs: Sequence[LoadedRun], choice: Choice, *, every: bool = False
) -> tuple[Point, ...]:
    """Return the points of the chosen scenarios and severities, each once over the runs.

    Without a choice all of them if `every`, else unshifted and the worst covariate shift as reports show it. Raises
    UsageError when a severity matches nothing.
    """
    found: dict[tuple[str, str], Point] = {}
    for run in runs:
        for point in run.summary.points:
            if point.place.scenario in choice.scenarios:
                found.setdefault((point.place.scenario, point.place.label), point)
    if not every and not request.scenarios and not request.severities:
        wanted = {(curve.scenario, curve.label) for curve in runs[0].summary.curves}
        return tuple(point for key, point in found.items() if key in wanted) or tuple(found.values())[:2]
    return _at_severities(tuple(found.values()), request.severities)


def _at_severities(points: Sequence[Point], wanted: Sequence[str]) -> tuple[Point, ...]:
    labels = list(dict.fromkeys(point.place.label for point in points if point.place.label))
    for text in wanted:
        if not any(is_severity(label, text) for label in labels):
            raise UsageError(
                f"no chosen scenario has the severity {text!r}{nearest(text, labels)};"
                f" there are: {', '.join(labels) or 'none'}"
            )
    return tuple(
        point for point in points if not wanted or any(is_severity(point.place.label, text) for text in wanted)
    )


def is_severity(label: str, text: str) -> bool:
    """Tell whether a severity's label is the text, or the same number: `2` and `2.0`; a joint shift's dial for dial."""
    ours, theirs = label.split("x"), text.split("x")
    return len(ours) == len(theirs) and all(_same(one, other) for one, other in zip(ours, theirs, strict=True))


def _same(one: str, other: str) -> bool:
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-3)
    except ValueError:
        return one.strip() == other.strip()
