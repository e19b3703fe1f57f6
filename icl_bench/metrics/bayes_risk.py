"""Bayes risk given the prompt: the posterior variance, a property of the prompts alone."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from icl_bench.errors import NoClosedForm
from icl_bench.plugins.bases import PromptMetric
from icl_bench.plugins.protocols import Answer


@dataclass(frozen=True)
class BayesRisk(PromptMetric):
    """Posterior variance of f(x): the expected squared error of the best possible answer to this very prompt."""

    role = "bayes_risk"

    def losses(self, answer: Answer) -> Tensor:
        """Return the posterior variance, (prompt, query); NoClosedForm where no Bayes prediction is known."""
        if answer.targets.bayes_var is None:
            raise NoClosedForm(answer.targets.no_bayes)
        return answer.targets.bayes_var


METRIC = BayesRisk
