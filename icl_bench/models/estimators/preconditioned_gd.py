"""K steps of gradient descent with a preconditioner learned in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from icl_bench.errors import NoClosedForm, PluginError
from icl_bench.laws.law import Parameters, PromptLaw
from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.solvers.descent import descent_matrix, descent_weights
from icl_bench.solvers.prefix_moments import prefix_gram
from icl_bench.theory.linear_learners import polynomial_maps
from icl_bench.theory.linear_self_attention import optimal, singular
from icl_bench.theory.tails import noise_limited_tail


@dataclass(frozen=True)
class PreconditionedGd:
    """K = `n_steps` steps w <- w + eta P X^T (y - X w)/k with a fixed matrix P from the training law.

    preconditioner: "optimal", the one-step risk minimiser (Ahn et al. 2306.00297, Theorem 1; with one step of size 1
    this is the optimal linear self-attention layer), or "covariance", the inverse training covariance.
    `learning_rate` is eta.
    """

    n_steps: int = 2
    learning_rate: float = 1.0
    preconditioner: Literal["optimal", "covariance"] = "optimal"

    def __post_init__(self) -> None:
        if self.n_steps < 1:
            raise ValueError(f"n_steps: expected at least 1, got {self.n_steps}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate: expected a number > 0, got {self.learning_rate}")

    def bind(self, training: PromptLaw) -> PreconditionedDescent:
        """Return the model with the preconditioner of the training law."""
        context, _ = training.training_moments()
        covariance = context.covariance[0]
        if bool((context.mean != 0).any()):
            raise NoClosedForm("a preconditioner needs a training law whose covariates have mean 0")
        if self.preconditioner == "covariance":
            if singular(covariance):
                raise NoClosedForm("preconditioner = 'covariance' needs a training covariance that has an inverse")
            matrix = torch.linalg.inv(covariance)
        else:
            omega, variance = training.prior.second_moment(), training.noise.variance
            assert omega is not None  # `training_moments` has refused what lacks it
            assert variance is not None
            matrix = optimal(covariance, omega, max(1, training.sizes.n_context), variance)
        return PreconditionedDescent(self.n_steps, self.learning_rate, matrix)

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Refuse: the preconditioner follows from the training law."""
        raise PluginError("preconditioned_gd has no preconditioner yet: expected bind(training) before predict")


@dataclass(frozen=True)
class PreconditionedDescent:
    """Gradient descent with the preconditioner `matrix`."""

    n_steps: int
    learning_rate: float
    matrix: Tensor  # (dim, dim) P

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Return x_q . w_K, (prompt, query)."""
        weights = descent_weights(prompts, self.n_steps, self.learning_rate, self.matrix)
        position = prompts.distinct_sizes()[1]
        return Prediction((weights[:, position] * prompts.query_x).sum(-1))

    def linear_maps(self, prompts: PromptBatch) -> LinearMaps:
        """B = eta sum_{j<K} (I - eta P A)^j P X^T / k."""
        sizes = prompts.distinct_sizes()[0]
        gram = prefix_gram(prompts.context_x.double(), sizes)
        count = torch.tensor(sizes, dtype=gram.dtype).clamp_min(1.0)
        matrix = descent_matrix(gram, count, self.n_steps, self.learning_rate, self.matrix)
        return polynomial_maps(matrix, gram)

    def tail_index(self, parameters: Parameters, context_size: int) -> float | None:
        """As light as the noise allows: the estimate is a polynomial in the examples."""
        return noise_limited_tail(parameters)


MODEL = PreconditionedGd
