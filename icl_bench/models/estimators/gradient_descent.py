"""K steps of gradient descent on the least-squares loss, from zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from icl_bench.errors import PluginError
from icl_bench.laws.law import PromptLaw
from icl_bench.theory.estimators import Descent


@dataclass(frozen=True)
class GradientDescent(Descent):
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

    def step(self) -> tuple[float, None]:
        """Return the learning rate; no preconditioner."""
        if isinstance(self.learning_rate, str):
            raise PluginError("learning_rate = 'training' is not resolved: expected bind(training) before predict")
        return self.learning_rate, None


MODEL = GradientDescent
