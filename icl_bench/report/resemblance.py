"""Which algorithm a learner resembles: how far its answers are from those of reference models on the same prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from icl_bench.report.points import Point
from icl_bench.report.score_rows import ScoreRows, Statistic

AGREEMENT = "agreement:"
"""Metrics of this prefix are the mean squared difference to a reference's answers (Akyurek et al. 2211.15661)."""


@dataclass(frozen=True, slots=True)
class Resemblance:
    """The squared distance of one model's answers to a reference's over the risk of predicting zero; 0: the same."""

    scenario: str
    severity_label: str
    context_size: int | None
    model: str
    reference: str
    value: float
    low: float | None  # 95% interval, the risk of predicting zero taken as known
    high: float | None
    kind: str  # mean | median (where no mean exists)


def references(metrics: Sequence[str]) -> tuple[str, ...]:
    """Return the reference models that a run's metrics name."""
    return tuple(name.removeprefix(AGREEMENT) for name in metrics if name.startswith(AGREEMENT))


def resemblances(
    rows: ScoreRows, points: Sequence[Point], models: Sequence[str], names: Sequence[str]
) -> tuple[Resemblance, ...]:
    """Return every distance to the references `names` at every point, after the headline number of examples."""
    return tuple(
        found
        for point in points
        if point.zero_risk
        for model in models
        for name in names
        for found in _found(rows, point, model, name)
    )


def _found(rows: ScoreRows, point: Point, model: str, name: str) -> Iterator[Resemblance]:
    statistic = rows.get(point.place, model, AGREEMENT + name, point.context_size)
    if not isinstance(statistic, Statistic) or not point.zero_risk:
        return
    zero = point.zero_risk
    low, high = (None if end is None else end / zero for end in (statistic.low, statistic.high))
    place = (point.place.scenario, point.place.label, point.context_size)
    yield Resemblance(*place, model, name, statistic.value / zero, low, high, statistic.kind)
