"""What earlier manifests do not say of their metrics: frozen, for runs and baselines of schema versions 1 to 3.

Versions 1 and 2 had these metrics and no cards of them; version 3 had cards without the role `risk` and the meaning.
Nothing new belongs here: a metric of today says of itself what it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from icl_bench.tables.metric_cards import MetricCard

_SQUARED = MetricCard("", "squared label", "lower", False, None, "mean", True, "")
_OF_PROMPTS = dataclasses.replace(_SQUARED, needs_model=False)
_OVER_SIGNAL = dataclasses.replace(_SQUARED, unit="1", statistic="ratio of means", over="zero_error")


def _card(base: MetricCard, use: str, meaning: str, role: str | None = None, of: str = "") -> MetricCard:
    return dataclasses.replace(base, use=use, meaning=meaning, role=role, of=of or use)


_CARDS = {
    card.use: card
    for card in (
        _card(_SQUARED, "squared_error", "(prediction - f(x))^2, whose mean is the risk.", "risk"),
        _card(_SQUARED, "label_error", "Squared error to the noisy label."),
        _card(_SQUARED, "exact_risk", "E[(prediction - f)^2 | X] in closed form."),
        _card(
            _SQUARED,
            "excess_risk",
            "(prediction - Bayes mean)^2, whose mean is the risk minus the Bayes risk.",
            "excess",
        ),
        _card(_OF_PROMPTS, "bayes_risk", "Posterior variance of f(x): the least expected squared error.", "bayes_risk"),
        _card(_OF_PROMPTS, "zero_error", "f(x)^2, whose mean is the risk of predicting zero.", "signal"),
        _card(_OVER_SIGNAL, "normalised_error", "Risk over the risk of predicting zero.", of="squared_error"),
        _card(
            _OVER_SIGNAL, "normalised_excess_risk", "Excess risk over the risk of predicting zero.", of="excess_risk"
        ),
        _card(_SQUARED, "agreement", "(prediction - reference's prediction)^2.", "distance"),
    )
}


def completed_cards(stored: Mapping[str, MetricCard], metrics: Sequence[str], version: int) -> dict[str, MetricCard]:
    """Return the cards of a manifest of a schema version, those it has and those it could not have.

    A metric from a file, of which versions 1 and 2 kept nothing, is taken for the mean of a loss of models.
    """
    if version < 3:
        found = {label: _earlier_card(label) for label in metrics}
        needed = [column for card in found.values() if card.over for column in (card.of, card.over)]
        return found | {column: _earlier_card(column) for column in needed if column not in found}
    if version < 4:
        return {label: _with_what_came_later(card) for label, card in stored.items()}
    return dict(stored)


def _earlier_card(label: str) -> MetricCard:
    use, _, reference = label.partition(":")
    known = _CARDS.get(use)
    if known is None:
        direction = "higher" if label.endswith("_score") else "lower"
        return MetricCard(label, "", direction, True, None, "mean", True, label)
    if not reference:
        return known
    return dataclasses.replace(known, of=label, reference=reference, arguments={"reference": reference})


def _with_what_came_later(card: MetricCard) -> MetricCard:
    known = _CARDS.get(card.use)
    if known is None:
        return card
    return dataclasses.replace(card, role=card.role or known.role, meaning=card.meaning or known.meaning)
