"""Predicts 0 for every query."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from icl_bench.laws.law import Parameters
from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prompts import Prediction, PromptBatch


@dataclass(frozen=True)
class Zero:
    """Predicts 0: the learner that breaks nowhere and learns nothing. A learner above its risk has broken down."""

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Return zeros, (prompt, query)."""
        return Prediction(torch.zeros_like(prompts.query_x[:, :, 0]))

    def linear_maps(self, prompts: PromptBatch) -> LinearMaps:
        """B = 0."""
        shape = (prompts.n_prompts, len(prompts.distinct_sizes()[0]), prompts.n_dims, prompts.n_dims)
        nothing = torch.zeros(shape, dtype=torch.float64)
        return LinearMaps(nothing, nothing)

    def tail_index(self, parameters: Parameters, context_size: int) -> float:
        """Every moment of f(x)^2 exists."""
        return float("inf")


MODEL = Zero
