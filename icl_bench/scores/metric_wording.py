"""What a metric is called, told from its card: by the part it plays, else by what it says of itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from icl_bench.scores.rows import OWN_STATISTICS
from icl_bench.tables.metric_cards import MetricCard
from icl_bench.tables.metric_roles import MetricRoles

_SQUARED = "squared label"
_SHORT = 40
"""A meaning of at most so many characters fits an axis."""


@dataclass(frozen=True, slots=True)
class _Words:
    """One metric in three places: a report's sentence, the axis of a figure, the axis of the page's plots."""

    sentence: str
    axis: str
    plot: str


_NORMALISED_EXCESS = _Words(
    "normalised excess risk: (risk - Bayes risk) / risk of predicting zero; 0 is Bayes",
    "excess risk / risk of zero",
    "excess risk over predicting zero",
)
_NORMALISED_RISK = _Words(
    "normalised error: risk / risk of predicting zero; 1 is predicting zero",
    "risk / risk of zero",
    "risk over predicting zero",
)
_EXCESS = _Words("excess risk: risk - Bayes risk", "excess risk", "excess risk")
_RISK = _Words("squared error to the noiseless f(x)", "risk", "risk (squared error to f)")
_OTHER_RISK = _Words("risk: the loss against the noiseless f(x)", "risk", "risk")
"""Of a risk that is no squared error."""


def sentence(roles: MetricRoles, label: str) -> str:
    """Return what a report says of the numbers that it shows, without a full stop."""
    return _words(roles, label).sentence


def axis_text(roles: MetricRoles, label: str) -> str:
    """Return what the axis of a figure with this metric is called."""
    return _words(roles, label).axis


def plot_text(roles: MetricRoles, label: str) -> str:
    """Return what the page calls the axis of its plots of this metric."""
    return _words(roles, label).plot


def _words(roles: MetricRoles, label: str) -> _Words:
    card = roles.cards.get(label)
    if card is None:
        return _Words(*[_spelled(label)] * 3)
    if roles.is_normalised(label):
        return _normalised(roles, label, card)
    if card.over is not None:
        ratio = f"{_spelled(card.of)} / {_spelled(card.over)}"
        return _Words(f"{_spelled(label)}: {ratio}{_better(card)}", ratio, ratio)
    if card.statistic == "mean" and card.role == "excess":
        return _EXCESS
    if card.statistic == "mean" and card.role == "risk":
        return _RISK if card.unit == _SQUARED else _OTHER_RISK
    if card.role == "distance":
        distance = f"{'squared ' if card.unit == _SQUARED else ''}distance to {card.reference}"
        return _Words(distance, distance, distance)
    return _of_its_own(label, card)


def _normalised(roles: MetricRoles, label: str, card: MetricCard) -> _Words:
    if card.of == roles.excess:
        return _NORMALISED_EXCESS
    if card.of == roles.risk:
        return _NORMALISED_RISK
    above = _spelled(card.of)
    return _Words(
        f"{_spelled(label)}: {above} / risk of predicting zero{_better(card)}",
        f"{above} / risk of zero",
        f"{above} over predicting zero",
    )


def _of_its_own(label: str, card: MetricCard) -> _Words:
    """Return the words of a metric that plays no part: its own meaning, what summarises it, its unit, its direction."""
    name, meant = _spelled(label), card.meaning.rstrip(". ")
    about = f"{meant[:1].lower()}{meant[1:]}" if meant[1:2].islower() else meant  # not |f|, not KL
    told = set(name.lower().split()) <= set(re.findall(r"\w+", about.lower()))  # the meaning has the name in it
    called = about if told else f"{name}: {about}" if about else name
    short = about if told and len(about) <= _SHORT else name
    unit = "" if card.unit in ("1", _SQUARED) else card.unit
    axis = f"{_summarised(card)}{short}{f' [{unit}]' if unit else ''}"
    return _Words(f"{_summarised(card)}{called}{f'; unit: {unit}' if unit else ''}{_better(card)}", axis, axis)


def _summarised(card: MetricCard) -> str:
    """Return what is taken over prompts in place of the mean; empty for the mean."""
    if card.statistic not in OWN_STATISTICS:
        return ""
    if card.level is not None:
        return f"{100.0 * card.level:g}% quantile of "
    return "worst group's mean of "


def _better(card: MetricCard) -> str:
    return "; higher is better" if card.direction == "higher" else ""


def _spelled(label: str) -> str:
    return label.replace("_", " ")
