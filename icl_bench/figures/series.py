"""Values with intervals along an axis, for every model and the reference lines: what the curves of a figure draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from icl_bench.figures.loaded_run import LoadedRun
from icl_bench.places import Place
from icl_bench.scores.rows import ScoreRows, Statistic
from icl_bench.tables.metric_roles import MetricRoles
from icl_bench.tables.schema import PROMPTS

MODEL, BAYES, ZERO, OVERLAY = "model", "bayes", "zero", "overlay"


@dataclass(frozen=True, slots=True)
class CurveMark:
    """One value on a curve; None where there is no number."""

    x: float  # severity or context size
    value: float | None
    low: float | None = None  # 95% interval; None where the table has none
    high: float | None = None
    kind: str = "mean"  # what the metric is summarised by; median where its mean does not exist


@dataclass(frozen=True, slots=True)
class Series:
    """One curve."""

    role: str  # model | bayes (its risk under the test law) | zero (predicting zero) | overlay (a user's own)
    name: str  # the model's label, or the overlay's; empty for a reference line
    run: int  # index of the run; of the label among the overlays
    marks: tuple[CurveMark, ...]  # by x

    @property
    def has_numbers(self) -> bool:
        """Whether there is anything to draw."""
        return any(mark.value is not None for mark in self.marks)


def against_severity(
    run: LoadedRun, index: int, scenario: str, models: Sequence[str], metric: str
) -> tuple[Series, ...]:
    """Return a metric at the headline size against the severity of one scenario.

    The unshifted reference stands at the scenario's identity severity where the grid does not hold it.
    """
    places = [(severity, place, run.rows.headline.get(place)) for severity, place in dialled(run, scenario)]
    identity = identity_severity(run, scenario)
    base = run.summary.base
    if base is not None and identity is not None and not any(place.identity for _, place, _ in places):
        places.append((identity, base.place, base.context_size))
    places.sort(key=lambda item: item[0])
    return _series(run, index, models, metric, places)


def against_context(run: LoadedRun, index: int, place: Place, models: Sequence[str], metric: str) -> tuple[Series, ...]:
    """Return a metric at one scenario and severity against the context size."""
    known = [
        (PROMPTS, run.summary.roles.signal),
        *((model, metric) for model in models),
    ]  # rows of a table have no risk of zero
    sizes = sorted({size for model, name in known for size in run.rows.sizes(place, model, name)})
    return _series(run, index, models, metric, [(float(size), place, size) for size in sizes])


def dialled(run: LoadedRun, scenario: str) -> tuple[tuple[float, Place], ...]:
    """Return the severities of a scenario with exactly one dial; none for the reference and for joint shifts."""
    places = (point.place for point in run.summary.points if point.place.scenario == scenario)
    return tuple((place.severity, place) for place in places if place.severity is not None)


def identity_severity(run: LoadedRun, scenario: str) -> float | None:
    """Return the severity that leaves the law unshifted, None where the run does not know one."""
    text = run.summary.manifest.identities.get(scenario)
    return None if text is None else float(text)


def _series(
    run: LoadedRun,
    index: int,
    models: Sequence[str],
    metric: str,
    places: Sequence[tuple[float, Place, int | None]],
) -> tuple[Series, ...]:
    rows, roles = run.rows, run.summary.roles
    found = [
        Series(
            role, "", index, tuple(_reference(rows, roles, place, size, metric, role, x) for x, place, size in places)
        )
        for role in (BAYES, ZERO)
    ]
    for model in models:
        marks = tuple(_mark(x, rows.get(place, model, metric, size)) for x, place, size in places)
        found.append(Series(MODEL, model, index, marks))
    return tuple(series for series in found if series.has_numbers)


def _mark(x: float, found: object) -> CurveMark:
    if not isinstance(found, Statistic):
        return CurveMark(x, None)
    return CurveMark(x, found.value, found.low, found.high, found.kind)


def _reference(
    rows: ScoreRows, roles: MetricRoles, place: Place, size: int | None, metric: str, role: str, x: float
) -> CurveMark:
    """Return what the Bayes prediction or predicting zero scores on the scale of `metric`; no number elsewhere."""
    zero = rows.get(place, PROMPTS, roles.signal, size)
    bayes = rows.get(place, PROMPTS, roles.bayes_risk, size)
    wanted = bayes if role == BAYES else zero
    if metric == roles.risk:
        return _mark(x, wanted)
    if (
        metric == roles.normalised_risk
        and isinstance(wanted, Statistic)
        and isinstance(zero, Statistic)
        and zero.value > 0.0
    ):
        return CurveMark(x, wanted.value / zero.value)
    return CurveMark(x, None)
