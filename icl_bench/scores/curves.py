"""Normalised error against context size, unshifted and under the worst covariate shift."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from icl_bench.scores.points import Point
from icl_bench.scores.rows import ScoreRows, Statistic, load_places
from icl_bench.tables.metric_roles import MetricRoles
from icl_bench.tables.schema import PROMPTS


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A normalised error after `size` examples."""

    size: int
    value: float
    kind: str  # mean | median (where no mean exists)


@dataclass(frozen=True, slots=True)
class Line:
    """One model's curve; `model` is None for the Bayes risk."""

    model: str | None
    points: tuple[CurvePoint, ...]

    @property
    def name(self) -> str:
        """What the key of a chart calls it."""
        return "Bayes risk" if self.model is None else self.model


@dataclass(frozen=True, slots=True)
class Curve:
    """Every model's curve under one scenario and severity."""

    scenario: str
    label: str  # the severity as text
    lines: tuple[Line, ...]

    @property
    def title(self) -> str:
        """`covariate/scale 2`."""
        return f"{self.scenario} {self.label}".strip()


def curves(
    folder: Path, base: Point | None, shifted: Sequence[Point], models: Sequence[str], roles: MetricRoles
) -> tuple[Curve, ...]:
    """Return the curves of the unshifted reference and of the worst covariate shift, where there are any."""
    chosen = [point for point in (base, _worst(shifted)) if point is not None]
    needed = [label for label in (roles.normalised_risk, *roles.of_prompts) if label is not None]
    rows = load_places(folder, [point.place for point in chosen], needed)
    found = [_curve(rows, point, models, roles) for point in chosen]
    return tuple(curve for curve in found if any(len(line.points) > 1 for line in curve.lines))


def _worst(shifted: Sequence[Point]) -> Point | None:
    """Return the covariate shift (any shift if there is none) with the largest mean log normalised error."""
    scored = [(point, _log_error(point)) for point in shifted]
    usable = [(point, score) for point, score in scored if score is not None]
    covariate = [(point, score) for point, score in usable if point.place.axis == "covariate"]
    return max(covariate or usable, key=lambda item: item[1], default=(None, 0.0))[0]


def _log_error(point: Point) -> float | None:
    errors = [entry.error.value for entry in point.entries.values() if entry.error is not None]
    logs = [math.log(error) for error in errors if error > 0.0]
    return math.fsum(logs) / len(logs) if logs else None


def _curve(rows: ScoreRows, point: Point, models: Sequence[str], roles: MetricRoles) -> Curve:
    lines, risk = [Line(None, tuple(_bayes(rows, point, roles)))], roles.normalised_risk
    for model in models:
        found = [(size, rows.get(point.place, model, risk, size)) for size in rows.sizes(point.place, model, risk)]
        line = tuple(CurvePoint(size, item.value, item.kind) for size, item in found if isinstance(item, Statistic))
        if any(item.value != 1.0 for item in line):  # else it is the zero predictor's, which every chart has
            lines.append(Line(model, line))
    return Curve(point.place.scenario, point.place.label, tuple(line for line in lines if line.points))


def _bayes(rows: ScoreRows, point: Point, roles: MetricRoles) -> list[CurvePoint]:
    found = []
    for size in rows.sizes(point.place, PROMPTS, roles.bayes_risk):
        bayes = rows.get(point.place, PROMPTS, roles.bayes_risk, size)
        zero = rows.get(point.place, PROMPTS, roles.signal, size)
        if isinstance(bayes, Statistic) and isinstance(zero, Statistic) and zero.value > 0.0:
            found.append(CurvePoint(size, bayes.value / zero.value, "mean"))
    return found
