"""Ordinary least squares; the minimum-norm solution while examples are fewer than dimensions."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from icl_bench.laws.law import Parameters
from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prefix_solvers.min_norm import min_norm_fit
from icl_bench.prompts import PromptBatch
from icl_bench.theory.estimators import LinearEstimator
from icl_bench.theory.tails import least_squares_tail


@dataclass(frozen=True)
class Ols(LinearEstimator):
    """Minimum-norm least squares w = X^+ y, all context sizes in one pass (float64).

    Its squared error has no mean at |k - d| <= 1 under label noise (Hastie et al. 1903.08560).
    """

    def weights(self, prompts: PromptBatch) -> Tensor:
        """Return X_k^+ y_k, (prompt, size, dim)."""
        return min_norm_fit(prompts).weights

    def linear_maps(self, prompts: PromptBatch) -> LinearMaps:
        """B = X^+."""
        return min_norm_fit(prompts, with_maps=True).maps()

    def tail_index(self, parameters: Parameters, context_size: int) -> float | None:
        """(|k - d| + 1)/2 with label noise."""
        return least_squares_tail(parameters, context_size)


MODEL = Ols
