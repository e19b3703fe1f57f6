"""Risk above the Bayes risk, by Bayes orthogonality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from icl_bench.errors import NoClosedForm
from icl_bench.plugins.protocols import Answer, Direction, PlainMetric, Role


@dataclass(frozen=True)
class ExcessRisk(PlainMetric):
    """(prediction - Bayes mean)^2, whose mean is the risk minus the Bayes risk.

    The posterior mean is orthogonal to every function of the prompt, so
    E(yhat - f)^2 - R_Bayes = E(yhat - yhat_Bayes)^2
    (THEORY, section 4): never negative, free of label noise, 9 to 200 times less variance than a paired difference.
    """

    unit: ClassVar[str] = "squared label"
    direction: ClassVar[Direction] = "lower"
    can_be_negative: ClassVar[bool] = False
    role: ClassVar[Role | None] = "excess"

    def losses(self, answer: Answer) -> Tensor:
        """Return (prediction - Bayes mean)^2, (prompt, query); NoClosedForm where no Bayes prediction is known."""
        if answer.targets.bayes_mean is None:
            raise NoClosedForm(answer.targets.no_bayes)
        return (answer.prediction.mean - answer.targets.bayes_mean).square()

    def tail_index(self, answer: Answer, context_size: int) -> float | None:
        """Return that of the model's squared error."""
        return answer.tail_index(answer.model, context_size)


METRIC = ExcessRisk
