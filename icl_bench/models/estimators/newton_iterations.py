"""Least squares with the inverse replaced by a few Newton-Schulz iterations."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.law import Parameters
from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.solvers.descent import newton_inverse, newton_weights
from icl_bench.solvers.prefix_moments import prefix_gram
from icl_bench.theory.linear_learners import polynomial_maps
from icl_bench.theory.tails import noise_limited_tail


@dataclass(frozen=True)
class NewtonIterations:
    """w = M_K X^T y, M_K the K-th Newton-Schulz iterate for the inverse of X^T X (Fu et al. 2310.17086).

    What transformers of growing depth were found to track; least squares as K grows, early-stopped before.
    """

    n_iterations: int = 6

    def __post_init__(self) -> None:
        if self.n_iterations < 0:
            raise ValueError(f"n_iterations: expected at least 0, got {self.n_iterations}")

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Return x_q . M_K X^T y, (prompt, query)."""
        weights = newton_weights(prompts, self.n_iterations)
        position = prompts.distinct_sizes()[1]
        return Prediction((weights[:, position] * prompts.query_x).sum(-1))

    def linear_maps(self, prompts: PromptBatch) -> LinearMaps:
        """B = M_K X^T."""
        gram = prefix_gram(prompts.context_x.double(), prompts.distinct_sizes()[0])
        return polynomial_maps(newton_inverse(gram, self.n_iterations), gram)

    def tail_index(self, parameters: Parameters, context_size: int) -> float | None:
        """As light as the noise allows: M_K is bounded by 2^K / |X^T X|_F times a constant."""
        return noise_limited_tail(parameters)


MODEL = NewtonIterations
