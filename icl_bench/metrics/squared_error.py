"""Squared error to the noiseless f(x): its mean is the risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from icl_bench.protocols import Answer


@dataclass(frozen=True)
class SquaredError:
    """(prediction - f(x))^2, whose mean is the risk."""

    needs_model: ClassVar[bool] = True
    of: ClassVar[str] = "squared_error"
    over: ClassVar[str | None] = None

    def losses(self, answer: Answer) -> Tensor:
        """Return (prediction - f)^2, (prompt, query)."""
        return (answer.prediction.mean - answer.targets.query_f).square()

    def tail_index(self, answer: Answer, context_size: int) -> float | None:
        """Return that of the model's squared error."""
        return answer.tail_index(answer.model, context_size)


METRIC = SquaredError
