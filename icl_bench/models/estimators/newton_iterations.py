"""Least squares with the inverse replaced by a few Newton-Schulz iterations."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prefix_solvers.descent import newton_inverse, newton_weights
from icl_bench.prefix_solvers.prefix_moments import prefix_gram
from icl_bench.prompts import PromptBatch
from icl_bench.theory.estimators import LinearEstimator
from icl_bench.theory.linear_learners import polynomial_maps


@dataclass(frozen=True)
class NewtonIterations(LinearEstimator):
    """w = M_K X^T y, M_K the K-th Newton-Schulz iterate for the inverse of X^T X (Fu et al. 2310.17086).

    What transformers of growing depth were found to track; least squares as K grows, early-stopped before. M_K is
    bounded by 2^K / |X^T X|_F times a constant.
    """

    n_iterations: int = 6

    def __post_init__(self) -> None:
        if self.n_iterations < 0:
            raise ValueError(f"n_iterations: expected at least 0, got {self.n_iterations}")

    def weights(self, prompts: PromptBatch) -> Tensor:
        """Return M_K X^T y, (prompt, size, dim)."""
        return newton_weights(prompts, self.n_iterations)

    def linear_maps(self, prompts: PromptBatch) -> LinearMaps:
        """B = M_K X^T."""
        gram = prefix_gram(prompts.context_x.double(), prompts.distinct_sizes()[0])
        return polynomial_maps(newton_inverse(gram, self.n_iterations), gram)


MODEL = NewtonIterations
