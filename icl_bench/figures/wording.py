"""What panels are called."""

from __future__ import annotations

from collections.abc import Sequence

from icl_bench.figures.loaded_run import LoadedRun
from icl_bench.rendering.dial_names import dial_names
from icl_bench.scores.points import Point


def point_text(point: Point) -> str:
    """Return `covariate/scale 2`, `unshifted` for the reference."""
    if point.place.identity and point.place.severity is None:
        return "unshifted"
    return point.place.name


def dial_text(runs: Sequence[LoadedRun], scenario: str) -> str:
    """Return what the severity of a scenario measures, `severity` where no run says it."""
    for run in runs:
        manifest = run.summary.manifest
        if scenario in (found := dial_names([scenario], manifest.suite_text)):
            return found[scenario]
    return "severity"
