"""What panels are called."""

from __future__ import annotations

from icl_bench.scores.points import Point


def point_text(point: Point) -> str:
    """Return `covariate/scale 2`, `unshifted` for the reference."""
    if point.place.identity and point.place.severity is None:
        return "unshifted"
    return point.place.name
