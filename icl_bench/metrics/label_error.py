"""Squared error to the noisy label."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from icl_bench.plugins.bases import SquaredMetric
from icl_bench.plugins.protocols import Answer
from icl_bench.theory.tails import label_tail


@dataclass(frozen=True)
class LabelError(SquaredMetric):
    """Squared error to the noisy label.

    (prediction - y)^2: the risk plus the noise variance, for comparison with papers that report it.
    """

    def losses(self, answer: Answer) -> Tensor:
        """Return (prediction - y)^2, (prompt, query)."""
        return (answer.prediction.mean - answer.targets.query_y).square()

    def tail_index(self, answer: Answer, context_size: int) -> float | None:
        """Return the smaller of the model's and the noise's."""
        return label_tail(answer.parameters, answer.tail_index(answer.model, context_size))


METRIC = LabelError
