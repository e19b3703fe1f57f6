"""K steps of gradient descent with a preconditioner learned in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from icl_bench.errors import NoClosedForm
from icl_bench.laws.law import PromptLaw
from icl_bench.plugins.bases import NeedsLaw
from icl_bench.theory.estimators import Descent
from icl_bench.theory.linear_self_attention import optimal_after_training, singular


@dataclass(frozen=True)
class PreconditionedGd(NeedsLaw):
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
            matrix = optimal_after_training(training, covariance, max(1, training.sizes.n_context))
        return PreconditionedDescent(self.n_steps, self.learning_rate, matrix)


@dataclass(frozen=True)
class PreconditionedDescent(Descent):
    """Gradient descent with the preconditioner `matrix`."""

    n_steps: int
    learning_rate: float
    matrix: Tensor  # (dim, dim) P

    def step(self) -> tuple[float, Tensor]:
        """Return the learning rate and the preconditioner."""
        return self.learning_rate, self.matrix


MODEL = PreconditionedGd
