"""Squared error to the noiseless f(x): its mean is the risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from icl_bench.plugins.protocols import Answer, Direction, PlainMetric, Role


@dataclass(frozen=True)
class SquaredError(PlainMetric):
    """(prediction - f(x))^2, whose mean is the risk."""

    unit: ClassVar[str] = "squared label"
    direction: ClassVar[Direction] = "lower"
    can_be_negative: ClassVar[bool] = False
    role: ClassVar[Role | None] = "risk"

    def losses(self, answer: Answer) -> Tensor:
        """Return (prediction - f)^2, (prompt, query); NoClosedForm where only labels are known."""
        return (answer.prediction.mean - answer.targets.noiseless()).square()

    def tail_index(self, answer: Answer, context_size: int) -> float | None:
        """Return that of the model's squared error."""
        return answer.tail_index(answer.model, context_size)


METRIC = SquaredError
