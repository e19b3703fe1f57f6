"""What panels are called."""

from __future__ import annotations

from collections.abc import Iterable

from icl_bench.scores.points import Point


def point_text(point: Point) -> str:
    """Return `covariate/scale 2`, `unshifted` for the reference."""
    if point.place.identity and point.place.severity is None:
        return "unshifted"
    return point.place.name


def skill_text(bases: Iterable[str]) -> str:
    """Return what an axis of skill is called, by what the runs' skills are held against (bayes, f)."""
    held = set(bases) - {""}
    return "skill" if held == {"bayes"} else "skill (held against f)" if held == {"f"} else "skill (Bayes, or f)"
