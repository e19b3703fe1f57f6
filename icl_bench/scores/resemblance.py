"""Which algorithm a learner resembles: how far its answers are from those of reference models on the same prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from icl_bench.scores.points import Point
from icl_bench.scores.rows import ScoreRows, Statistic


@dataclass(frozen=True, slots=True)
class Resemblance:
    """The squared distance of one model's answers to a reference's over the risk of predicting zero; 0: the same.

    The mean squared difference of two predictors on the same prompts (Akyurek et al. 2211.15661).
    """

    scenario: str
    severity_label: str
    context_size: int | None
    model: str
    reference: str
    value: float
    low: float | None  # 95% interval, the risk of predicting zero taken as known
    high: float | None
    kind: str  # mean | median (where no mean exists)


def resemblances(
    rows: ScoreRows, points: Sequence[Point], models: Sequence[str], distances: Mapping[str, str]
) -> tuple[Resemblance, ...]:
    """Return every distance at every point, after the headline number of examples.

    `distances` maps a reference to the label of the metric that measures how far answers are from its own.
    """
    return tuple(
        found
        for point in points
        if point.zero_risk
        for model in models
        for reference, metric in distances.items()
        for found in _found(rows, point, model, reference, metric)
    )


def _found(rows: ScoreRows, point: Point, model: str, reference: str, metric: str) -> Iterator[Resemblance]:
    statistic = rows.get(point.place, model, metric, point.context_size)
    if not isinstance(statistic, Statistic) or not point.zero_risk:
        return
    zero = point.zero_risk
    low, high = (None if end is None else end / zero for end in (statistic.low, statistic.high))
    place = (point.place.scenario, point.place.label, point.context_size)
    yield Resemblance(*place, model, reference, statistic.value / zero, low, high, statistic.kind)
