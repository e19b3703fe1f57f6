"""What axes are called."""

from __future__ import annotations

from icl_bench.report.points import Point

_METRICS = {
    "squared_error": "risk",
    "label_error": "squared error to the label",
    "normalised_error": "risk / risk of zero",
    "excess_risk": "excess risk",
    "normalised_excess_risk": "excess risk / risk of zero",
}


def metric_text(metric: str) -> str:
    """Return what an axis with this metric is called; metrics of third parties keep their names."""
    if metric.startswith("agreement:"):
        return f"squared distance to {metric.partition(':')[2]}"
    return _METRICS.get(metric, metric.replace("_", " "))


def point_text(point: Point) -> str:
    """Return `covariate/scale 2`, `unshifted` for the reference."""
    if point.place.identity and point.place.severity is None:
        return "unshifted"
    return f"{point.place.scenario} {point.place.label}".strip()
