"""Risk of predicting zero: f(x)^2, a property of the prompts alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from icl_bench.protocols import Answer


@dataclass(frozen=True)
class ZeroError:
    """f(x)^2, whose mean is the risk of predicting zero: the scale that normalises other risks."""

    needs_model: ClassVar[bool] = False
    of: ClassVar[str] = "zero_error"
    over: ClassVar[str | None] = None

    def losses(self, answer: Answer) -> Tensor:
        """Return f(x)^2, (prompt, query)."""
        return answer.targets.query_f.square()

    def tail_index(self, answer: Answer, context_size: int) -> float | None:
        """Every moment exists."""
        return float("inf")


METRIC = ZeroError
