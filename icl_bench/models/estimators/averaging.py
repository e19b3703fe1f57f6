"""Averaging: w = (1/k) sum y_i x_i."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from icl_bench.laws.law import Parameters
from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.solvers.prefix_moments import prefix_gram
from icl_bench.theory.linear_learners import averaged_maps, averaged_prediction
from icl_bench.theory.tails import noise_limited_tail


@dataclass(frozen=True)
class Averaging:
    """The averaging estimator w = (1/k) sum y_i x_i (Garg et al. 2208.01066); 0 at k = 0."""

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Return x_q . (1/k) sum_{i<k} y_i x_i, (prompt, query)."""
        return Prediction(averaged_prediction(prompts))

    def linear_maps(self, prompts: PromptBatch) -> LinearMaps:
        """B = X^T / k."""
        sizes = prompts.distinct_sizes()[0]
        eye = torch.eye(prompts.n_dims, dtype=torch.float64)
        return averaged_maps(prefix_gram(prompts.context_x.double(), sizes), sizes, eye)

    def tail_index(self, parameters: Parameters, context_size: int) -> float | None:
        """As light as the noise allows."""
        return noise_limited_tail(parameters)


MODEL = Averaging
