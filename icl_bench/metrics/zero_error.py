"""Risk of predicting zero: f(x)^2, a property of the prompts alone."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from icl_bench.plugins.bases import PromptMetric
from icl_bench.plugins.protocols import Answer


@dataclass(frozen=True)
class ZeroError(PromptMetric):
    """f(x)^2, whose mean is the risk of predicting zero: the scale that normalises other risks."""

    role = "signal"

    def losses(self, answer: Answer) -> Tensor:
        """Return f(x)^2, (prompt, query); NoClosedForm where only labels are known."""
        return answer.targets.noiseless().square()


METRIC = ZeroError
