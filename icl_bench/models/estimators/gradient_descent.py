"""K steps of gradient descent on the least-squares loss, from zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from icl_bench.errors import PluginError
from icl_bench.laws.law import Parameters, PromptLaw
from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.solvers.descent import descent_matrix, descent_weights
from icl_bench.solvers.prefix_moments import prefix_gram
from icl_bench.theory.linear_learners import polynomial_maps
from icl_bench.theory.tails import noise_limited_tail


@dataclass(frozen=True)
class GradientDescent:
    """K = `n_steps` steps of size eta = `learning_rate` on |y - X w|^2/(2k), from w = 0 (von Oswald 2212.07677).

    learning_rate: a number > 0, or "training": 1/(1 + sqrt(d/N))^2, the inverse of the largest curvature expected of
    isotropic prompts of the training length N. It is not adapted to the prompt, so scaled covariates make it diverge.
    """

    n_steps: int = 10
    learning_rate: float | Literal["training"] = "training"

    def __post_init__(self) -> None:
        if self.n_steps < 1:
            raise ValueError(f"n_steps: expected at least 1, got {self.n_steps}")
        if not isinstance(self.learning_rate, str) and not self.learning_rate > 0:
            raise ValueError(f"learning_rate: expected a number > 0 or 'training', got {self.learning_rate}")

    def bind(self, training: PromptLaw) -> GradientDescent:
        """Return the model with its learning rate resolved from the training law."""
        if self.learning_rate != "training":
            return self
        n_context = max(1, training.sizes.n_context)
        return GradientDescent(self.n_steps, float((1.0 + (training.n_dims / n_context) ** 0.5) ** -2))

    def _rate(self) -> float:
        if isinstance(self.learning_rate, str):
            raise PluginError("learning_rate = 'training' is not resolved: expected bind(training) before predict")
        return self.learning_rate

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Return x_q . w_K, (prompt, query)."""
        weights = descent_weights(prompts, self.n_steps, self._rate())
        position = prompts.distinct_sizes()[1]
        return Prediction((weights[:, position] * prompts.query_x).sum(-1))

    def linear_maps(self, prompts: PromptBatch) -> LinearMaps:
        """B = eta sum_{j<K} (I - eta A)^j X^T / k."""
        sizes = prompts.distinct_sizes()[0]
        gram = prefix_gram(prompts.context_x.double(), sizes)
        count = torch.tensor(sizes, dtype=gram.dtype).clamp_min(1.0)
        eye = torch.eye(prompts.n_dims, dtype=gram.dtype)
        return polynomial_maps(descent_matrix(gram, count, self.n_steps, self._rate(), eye), gram)

    def tail_index(self, parameters: Parameters, context_size: int) -> float | None:
        """As light as the noise allows: the estimate is a polynomial in the examples."""
        return noise_limited_tail(parameters)


MODEL = GradientDescent
