"""The columns of a summary: one scenario at one severity, with every model's number at the context size shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from icl_bench.report.score_rows import BAYES_RISK, CHAIN, ERROR, ZERO_RISK, Absent, Place, ScoreRows, Statistic
from icl_bench.tables.schema import PROMPTS

NEAR_BAYES = 0.05
"""A model counts as near Bayes while its excess risk is at most this share of the risk of predicting zero."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One model at one point."""

    model: str
    shown: Statistic | None
    absent: Absent | None  # why nothing is shown
    error: Statistic | None  # normalised error: 1 is the risk of predicting zero

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
        """`near_bayes`, `at_zero` (no better than predicting zero), `between`, or `none` without a number."""
        if self.shown is None:
            return "none"
        if self.error is not None and self.error.value >= 1.0:
            return "at_zero"
        near = self.shown.metric == CHAIN[0] and self.shown.kind == "mean" and self.shown.value <= NEAR_BAYES
        return "near_bayes" if near else "between"


@dataclass(frozen=True, slots=True)
class Point:
    """One scenario at one severity."""

    place: Place
    context_size: int | None  # where a prompt of the training length ends; what is shown
    metric: str  # what is shown here
    zero_risk: float | None  # risk of predicting zero
    bayes_risk: float | None  # None where no Bayes prediction is known
    entries: Mapping[str, Entry]

    @property
    def axis(self) -> str:
        """The scenario's label up to the slash."""
        return self.place.scenario.partition("/")[0]

    @property
    def scenario(self) -> str:
        """The scenario's label after the slash; all of it when it has none."""
        return self.place.scenario.partition("/")[2] or self.place.scenario

    @property
    def normalised_bayes(self) -> float | None:
        """Bayes risk over the risk of predicting zero: the smallest normalised error that is achievable."""
        if self.bayes_risk is None or not self.zero_risk:
            return None
        return self.bayes_risk / self.zero_risk

    @property
    def achievable(self) -> float | None:
        """The Bayes risk on the scale of what is shown."""
        return self.normalised_bayes if self.metric.startswith("normalised") else self.bayes_risk


def points(rows: ScoreRows, models: Sequence[str], scenarios: Sequence[str]) -> list[Point]:
    """Return every point of a run: scenarios in the suite's order, each by severity."""
    known = {label: index for index, label in enumerate(scenarios)}
    places = sorted(rows.places, key=lambda place: (known.get(place.scenario, len(known)), place.scenario, place.order))
    return [_point(rows, place, models) for place in places]


def _point(rows: ScoreRows, place: Place, models: Sequence[str]) -> Point:
    size = rows.headline.get(place)
    found = {(model, name): rows.get(place, model, name, size) for model in models for name in CHAIN}
    metric = next(
        (name for name in CHAIN if any(isinstance(found[model, name], Statistic) for model in models)), CHAIN[0]
    )
    return Point(
        place,
        size,
        metric,
        _value(rows.get(place, PROMPTS, ZERO_RISK, size)),
        _value(rows.get(place, PROMPTS, BAYES_RISK, size)),
        {model: _entry(model, found[model, metric], found[model, ERROR]) for model in models},
    )


def _entry(model: str, shown: Statistic | Absent, error: Statistic | Absent) -> Entry:
    return Entry(
        model,
        shown if isinstance(shown, Statistic) else None,
        shown if isinstance(shown, Absent) else None,
        error if isinstance(error, Statistic) else None,
    )


def _value(found: Statistic | Absent) -> float | None:
    return found.value if isinstance(found, Statistic) else None
