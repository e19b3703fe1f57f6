"""Squared Bayes prediction: what predicting zero loses above the best possible answer, a property of the prompts."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from icl_bench.errors import NoClosedForm
from icl_bench.plugins.bases import PromptMetric
from icl_bench.plugins.protocols import Answer


@dataclass(frozen=True)
class BayesSignal(PromptMetric):
    """Squared Bayes prediction: the size of the best possible answer, which skill measures errors by."""

    role = "bayes_signal"

    def losses(self, answer: Answer) -> Tensor:
        """Return the squared posterior mean, (prompt, query); NoClosedForm where no Bayes prediction is known."""
        if answer.targets.bayes_mean is None:
            raise NoClosedForm(answer.targets.no_bayes)
        return answer.targets.bayes_mean.square()


METRIC = BayesSignal
