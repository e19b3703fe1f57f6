"""Risk of predicting zero: f(x)^2, a property of the prompts alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from icl_bench.plugins.protocols import Answer, Direction, PlainMetric, Role


@dataclass(frozen=True)
class ZeroError(PlainMetric):
    """f(x)^2, whose mean is the risk of predicting zero: the scale that normalises other risks."""

    unit: ClassVar[str] = "squared label"
    direction: ClassVar[Direction] = "lower"
    can_be_negative: ClassVar[bool] = False
    role: ClassVar[Role | None] = "signal"
    needs_model: ClassVar[bool] = False

    def losses(self, answer: Answer) -> Tensor:
        """Return f(x)^2, (prompt, query); NoClosedForm where only labels are known."""
        return answer.targets.noiseless().square()

    def tail_index(self, answer: Answer, context_size: int) -> float | None:
        """Every moment exists."""
        return float("inf")


METRIC = ZeroError
