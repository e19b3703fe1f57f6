"""Averaging: w = (1/k) sum y_i x_i."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prompts import PromptBatch
from icl_bench.theory.estimators import LinearEstimator
from icl_bench.theory.linear_learners import averaged_maps, averaged_weights


@dataclass(frozen=True)
class Averaging(LinearEstimator):
    """The averaging estimator w = (1/k) sum y_i x_i (Garg et al. 2208.01066); 0 at k = 0."""

    def weights(self, prompts: PromptBatch) -> Tensor:
        """Return (1/k) sum_{i<k} y_i x_i, (prompt, size, dim)."""
        return averaged_weights(prompts)

    def linear_maps(self, prompts: PromptBatch) -> LinearMaps:
        """B = X^T / k."""
        return averaged_maps(prompts, torch.eye(prompts.n_dims, dtype=torch.float64))


MODEL = Averaging
