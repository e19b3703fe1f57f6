"""Which metrics of a run play which part for readers, told from their cards: nobody needs to know a metric by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from icl_bench.tables.metric_cards import MetricCard


@dataclass(frozen=True, slots=True)
class MetricRoles:
    """The metrics of a run by what they declare; a part that none plays is None.

    `signal`, `bayes_risk`, `bayes_signal`, `risk` and `excess` are labels of stored columns: what predicting zero
    loses, what the best possible answer loses, its square (all of the prompts alone), what a model loses against the
    noiseless f(x), and what it loses above the best possible answer.
    """

    cards: Mapping[str, MetricCard]  # label -> card, in the order of the suite

    @property
    def signal(self) -> str | None:
        """What predicting zero loses."""
        return self._with_role("signal")

    @property
    def bayes_risk(self) -> str | None:
        """What the best possible answer loses."""
        return self._with_role("bayes_risk")

    @property
    def bayes_signal(self) -> str | None:
        """The square of the best possible answer."""
        return self._with_role("bayes_signal")

    @property
    def risk(self) -> str | None:
        """What a model loses against the noiseless f(x)."""
        return self._with_role("risk")

    @property
    def excess(self) -> str | None:
        """What a model loses above the best possible answer."""
        return self._with_role("excess")

    @property
    def normalised_excess(self) -> str | None:
        """The excess over the signal: 0 is Bayes."""
        return self._ratio(self.excess)

    @property
    def normalised_risk(self) -> str | None:
        """The risk over the signal: 1 is predicting zero."""
        return self._ratio(self.risk)

    @property
    def distances(self) -> dict[str, str]:
        """Reference -> label of the metric that measures how far answers are from that model's."""
        return {
            card.reference: label
            for label, card in self.cards.items()
            if card.role == "distance" and card.reference is not None
        }

    @property
    def shown(self) -> tuple[str, ...]:
        """The metrics of models that a summary may show, the most telling first; distances to references are none."""
        first = (self.normalised_excess, self.normalised_risk, self.excess, self.risk)
        others = (label for label, card in self.cards.items() if card.needs_model and card.role != "distance")
        return tuple(dict.fromkeys(label for label in (*first, *others) if label is not None))

    @property
    def drawn(self) -> tuple[str, ...]:
        """The same metrics as a curve may show them: what is lost before what is lost above Bayes."""
        last = (self.excess, self.normalised_excess)
        first = (self.risk, self.normalised_risk, *(label for label in self.shown if label not in last))
        return tuple(dict.fromkeys(label for label in (*first, *last) if label is not None))

    @property
    def of_prompts(self) -> tuple[str, ...]:
        """The stored columns of the prompts alone that others are held against: Bayes risk, b^2 and the signal."""
        return tuple(label for label in (self.bayes_risk, self.bayes_signal, self.signal) if label is not None)

    def is_normalised(self, label: str) -> bool:
        """Tell whether a metric is in units of the signal."""
        card = self.cards.get(label)
        return card is not None and card.over is not None and card.over == self.signal

    def is_better_high(self, label: str) -> bool:
        """Tell whether more of a metric is better."""
        return label in self.cards and self.cards[label].direction == "higher"

    def can_be_negative(self, label: str) -> bool:
        """Tell whether a metric can lie below 0, where it has no logarithm."""
        return label in self.cards and self.cards[label].can_be_negative

    def is_on_the_scale_of(self, label: str, other: str | None) -> bool:
        """Tell whether a metric is a mean in the unit of another, so that one axis may hold both."""
        card, held = self.cards.get(label), self.cards.get(other or "")
        return card is not None and held is not None and card.statistic == "mean" and card.unit == held.unit

    def _with_role(self, role: str) -> str | None:
        return next(self._stored(role), None)

    def _stored(self, role: str) -> Iterator[str]:
        for label, card in self.cards.items():
            if card.role == role and card.over is None and card.statistic == "mean":
                yield label

    def _ratio(self, column: str | None) -> str | None:
        signal = self.signal
        if column is None or signal is None:
            return None
        found = (label for label, card in self.cards.items() if card.of == column and card.over == signal)
        return next(found, None)
