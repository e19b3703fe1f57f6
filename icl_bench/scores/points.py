"""The columns of a summary: one scenario at one severity, with every model's number at the context size shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from icl_bench.places import Place
from icl_bench.scores.rows import Absent, ScoreRows, Statistic
from icl_bench.tables.metric_roles import MetricRoles
from icl_bench.tables.schema import PROMPTS

NEAR_BAYES = 0.05
"""A model counts as near Bayes while its excess risk is at most this share of the risk of predicting zero."""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model at one point."""

    model: str
    shown: Statistic | None
    absent: Absent | None  # why nothing is shown
    error: Statistic | None  # normalised risk: 1 is the risk of predicting zero
    shows_excess: bool = False  # whether what is shown is the normalised excess risk: 0 is Bayes

    @property
    def broken(self) -> bool | None:
        """Whether the whole 95% interval says that the model is no better than predicting zero; None: unknown.

        Judged by the mean's interval, or by the median's where the mean has none for its heavy tail. Answers that are
        not finite are no better.
        """
        if self.error is None:
            return True if self.absent is not None and self.absent.status == "nan" else None
        low = self.error.median_low if self.error.low is None else self.error.low
        return None if low is None else low >= 1.0

    @property
    def may_be_broken(self) -> bool:
        """Whether the 95% interval leaves it open, or says, that the model is no better than predicting zero.

        Where there is no interval it is open.
        """
        return self.error is None or self.error.high is None or self.error.high >= 1.0

    @property
    def standing(self) -> str:
        """`near_bayes`, `at_zero` (no better than predicting zero), `between`, or `none` without a number.

        Empty where nothing says how the number stands to the risk of predicting zero.
        """
        if self.shown is None:
            return "none"
        if self.error is None and not self.shows_excess:
            return ""
        if self.error is not None and self.error.value >= 1.0:
            return "at_zero"
        near = self.shows_excess and self.shown.kind == "mean" and self.shown.value <= NEAR_BAYES
        return "near_bayes" if near else "between"


@dataclass(frozen=True, slots=True)
class Point:
    """One scenario at one severity."""

    place: Place
    context_size: int | None  # where a prompt of the training length ends; what is shown
    metric: str  # what is shown here; empty where the run has nothing to show
    zero_risk: float | None  # risk of predicting zero
    bayes_risk: float | None  # None where no Bayes prediction is known
    entries: Mapping[str, ModelEntry]
    achievable: float | None = None  # the Bayes risk on the scale of what is shown; None where it is not on it


def points(
    rows: ScoreRows, models: Sequence[str], scenarios: Sequence[str], roles: MetricRoles, names: Sequence[str]
) -> list[Point]:
    """Return every point of a run: scenarios in the suite's order, each by severity; shown is the first of `names`."""
    known = {label: index for index, label in enumerate(scenarios)}
    places = sorted(rows.places, key=lambda place: (known.get(place.scenario, len(known)), place.scenario, place.order))
    return [_point(rows, place, models, roles, names) for place in places]


def _point(rows: ScoreRows, place: Place, models: Sequence[str], roles: MetricRoles, names: Sequence[str]) -> Point:
    size = rows.headline.get(place)
    zero = _value(rows.get(place, PROMPTS, roles.signal, size))
    bayes = _value(rows.get(place, PROMPTS, roles.bayes_risk, size))

    def shown(name: str) -> dict[str, Statistic | Absent]:
        return {model: rows.get(place, model, name, size) for model in models}

    numbered = (name for name in names if any(isinstance(item, Statistic) for item in shown(name).values()))
    metric = next(numbered, names[0] if names else "")
    found, is_excess = shown(metric), metric != "" and metric == roles.normalised_excess
    entries = {
        model: _entry(model, item, rows.get(place, model, roles.normalised_risk, size), is_excess)
        for model, item in found.items()
    }
    return Point(place, size, metric, zero, bayes, entries, _achievable(roles, metric, zero, bayes))


def _achievable(roles: MetricRoles, metric: str, zero: float | None, bayes: float | None) -> float | None:
    """Return the Bayes risk over that of predicting zero for a normalised metric, as it is for one in its unit."""
    if bayes is None:
        return None
    if roles.is_normalised(metric):
        return bayes / zero if zero else None
    return bayes if roles.is_on_the_scale_of(metric, roles.bayes_risk) else None


def _entry(model: str, shown: Statistic | Absent, error: Statistic | Absent, is_excess: bool) -> ModelEntry:
    return ModelEntry(
        model,
        shown if isinstance(shown, Statistic) else None,
        shown if isinstance(shown, Absent) else None,
        error if isinstance(error, Statistic) else None,
        is_excess,
    )


def _value(found: Statistic | Absent) -> float | None:
    return found.value if isinstance(found, Statistic) else None
