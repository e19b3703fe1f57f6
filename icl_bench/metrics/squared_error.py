"""Squared error to the noiseless f(x): its mean is the risk."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from icl_bench.plugins.bases import SquaredMetric
from icl_bench.plugins.protocols import Answer


@dataclass(frozen=True)
class SquaredError(SquaredMetric):
    """(prediction - f(x))^2, whose mean is the risk."""

    role = "risk"
    beside = ("excess_risk", "bayes_signal", "zero_error")  # what skill needs

    def losses(self, answer: Answer) -> Tensor:
        """Return (prediction - f)^2, (prompt, query); NoClosedForm where only labels are known."""
        return (answer.prediction.mean - answer.targets.noiseless()).square()


METRIC = SquaredError
