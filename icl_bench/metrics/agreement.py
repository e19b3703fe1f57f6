"""Mean squared difference to a reference's predictions: `agreement:ols`, `agreement:ridge`, ..."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from icl_bench.plugins.bases import SquaredMetric
from icl_bench.plugins.protocols import Answer


@dataclass(frozen=True)
class Agreement(SquaredMetric):
    """(prediction - reference's prediction)^2: which algorithm does the learner resemble (Akyurek et al. 2211.15661)?

    Written `agreement:NAME`, NAME any model of the catalogue that needs no argument (ols, ridge, averaging,
    bayes_train, ...).
    """

    reference: str

    role = "distance"

    def losses(self, answer: Answer) -> Tensor:
        """Return the squared difference, (prompt, query); NoClosedForm where the reference has no answer."""
        _, reference = answer.reference(self.reference)
        return (answer.prediction.mean - reference.mean).square()

    def tail_index(self, answer: Answer, context_size: int) -> float | None:
        """Return the smaller of the model's and the reference's; None when either is unknown."""
        reference, _ = answer.reference(self.reference)
        own, other = answer.tail_index(answer.model, context_size), answer.tail_index(reference, context_size)
        return None if own is None or other is None else min(own, other)


METRIC = Agreement
