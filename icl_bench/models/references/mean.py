"""Predicts the mean of the context labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from icl_bench.laws.law import Parameters
from icl_bench.prefix_solvers.prefix_moments import prefix_labels
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.theory.tails import noise_limited_tail


@dataclass(frozen=True)
class Mean:
    """Predicts the mean of the query's context labels (0 without any), whatever the query."""

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Return (1/k) sum_{i<k} y_i, (prompt, query)."""
        sums = prefix_labels(prompts.context_y, prompts.context_sizes)
        count = torch.tensor(prompts.context_sizes, dtype=sums.dtype, device=sums.device).clamp_min(1.0)
        return Prediction(sums / count)

    def tail_index(self, parameters: Parameters, context_size: int) -> float | None:
        """As light as the noise allows."""
        return noise_limited_tail(parameters)


MODEL = Mean
