"""Bayes risk given the prompt: the posterior variance, a property of the prompts alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from icl_bench.errors import NoClosedForm
from icl_bench.plugins.protocols import Answer, Direction, PlainMetric, Role


@dataclass(frozen=True)
class BayesRisk(PlainMetric):
    """Posterior variance of f(x): the expected squared error of the best possible answer to this very prompt."""

    unit: ClassVar[str] = "squared label"
    direction: ClassVar[Direction] = "lower"
    can_be_negative: ClassVar[bool] = False
    role: ClassVar[Role | None] = "bayes_risk"
    needs_model: ClassVar[bool] = False

    def losses(self, answer: Answer) -> Tensor:
        """Return the posterior variance, (prompt, query); NoClosedForm where no Bayes prediction is known."""
        if answer.targets.bayes_var is None:
            raise NoClosedForm(answer.targets.no_bayes)
        return answer.targets.bayes_var

    def tail_index(self, answer: Answer, context_size: int) -> float | None:
        """Every moment exists."""
        return float("inf")


METRIC = BayesRisk
