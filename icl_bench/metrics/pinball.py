"""Pinball loss of a predicted quantile: `level` is the argument."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.errors import NoClosedForm
from icl_bench.plugins.bases import PlainMetric
from icl_bench.plugins.protocols import Answer
from icl_bench.prompts import Prediction

SAME_LEVEL = 1e-9
"""Levels closer than this are one: 0.1 + 0.2 is 0.3."""


@dataclass(frozen=True)
class Pinball(PlainMetric):
    """max(level (y - q), (level - 1)(y - q)), q the predicted quantile at `level`: least at the true quantile of y.

    Koenker and Bassett 1978. A model without a quantile at that level is taken at its mean and std, as a Gaussian.
    """

    level: float

    unit = "label"
    direction = "lower"
    can_be_negative = False

    def __post_init__(self) -> None:
        if not 0.0 < self.level < 1.0:
            raise ValueError(f"level: expected a number between 0 and 1, got {self.level}")

    def losses(self, answer: Answer) -> Tensor:
        """Return the loss, (prompt, query); NoClosedForm where the model gives neither this quantile nor a std."""
        above = answer.targets.query_y - self._quantile(answer.prediction)
        return torch.maximum(self.level * above, (self.level - 1.0) * above)

    def _quantile(self, prediction: Prediction) -> Tensor:
        """Return the predicted quantile of the label, (prompt, query)."""
        for place, level in enumerate(prediction.levels or ()):
            if prediction.quantiles is not None and abs(level - self.level) < SAME_LEVEL:
                return prediction.quantiles[..., place]
        if prediction.std is None:
            raise NoClosedForm(f"the model gives no quantile at level {self.level:g} and no std")
        deviate = torch.special.ndtri(torch.tensor(self.level, dtype=torch.float64))
        gaussian: Tensor = prediction.mean + deviate * prediction.std
        return gaussian


METRIC = Pinball
