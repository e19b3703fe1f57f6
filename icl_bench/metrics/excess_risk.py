"""Risk above the Bayes risk, by Bayes orthogonality."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from icl_bench.errors import NoClosedForm
from icl_bench.plugins.bases import SquaredMetric
from icl_bench.plugins.protocols import Answer


@dataclass(frozen=True)
class ExcessRisk(SquaredMetric):
    """(prediction - Bayes mean)^2, whose mean is the risk minus the Bayes risk.

    The posterior mean is orthogonal to every function of the prompt, so
    E(yhat - f)^2 - R_Bayes = E(yhat - yhat_Bayes)^2
    (THEORY, section 4): never negative, free of label noise, 9 to 200 times less variance than a paired difference.
    """

    role = "excess"
    beside = ("squared_error", "bayes_signal", "zero_error")  # what skill needs

    def losses(self, answer: Answer) -> Tensor:
        """Return (prediction - Bayes mean)^2, (prompt, query); NoClosedForm where no Bayes prediction is known."""
        if answer.targets.bayes_mean is None:
            raise NoClosedForm(answer.targets.no_bayes)
        return (answer.prediction.mean - answer.targets.bayes_mean).square()


METRIC = ExcessRisk
