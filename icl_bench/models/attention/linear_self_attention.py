"""One layer of linear self-attention with the weights that training reaches, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from icl_bench.errors import NoClosedForm, PluginError
from icl_bench.laws.law import PromptLaw
from icl_bench.plugins.bases import NeedsLaw
from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prompts import PromptBatch
from icl_bench.theory.estimators import LinearEstimator
from icl_bench.theory.linear_learners import averaged_maps, averaged_weights
from icl_bench.theory.linear_self_attention import global_minimum, optimal_after_training, random_covariance_minimum


@dataclass(frozen=True)
class LinearSelfAttention(NeedsLaw):
    """One linear self-attention layer after training: x_q . A (1/M) sum y_i x_i (Zhang et al. 2306.09927).

    weights: "global_minimum" (Theorem 4.1: trained without noise under the training law's fixed covariance),
    "random_covariance_minimum" (Theorem 4.5: trained under diagonal covariances with Exp(1) entries), or "optimal"
    (the risk minimiser for the training law's noise and task prior, too). `n_context_training` is N; the suite's
    training length when absent.
    """

    weights: Literal["global_minimum", "random_covariance_minimum", "optimal"] = "global_minimum"
    n_context_training: int | None = None

    def __post_init__(self) -> None:
        if self.n_context_training is not None and self.n_context_training < 1:
            raise ValueError(f"n_context_training: expected at least 1, got {self.n_context_training}")

    def bind(self, training: PromptLaw) -> TrainedLayer:
        """Return the layer with the weights that training under `training` reaches."""
        n_context = self.n_context_training or training.sizes.n_context
        if n_context < 1:
            raise PluginError("linear_self_attention: expected a training length >= 1 ([training] n_context), got 0")
        if self.weights == "random_covariance_minimum":
            return TrainedLayer(random_covariance_minimum(1.0, 2.0, 6.0, training.n_dims, n_context))
        context, _ = training.training_moments()
        if bool((context.mean != 0).any()):
            raise NoClosedForm(f"weights = {self.weights!r} need a training law whose covariates have mean 0")
        if self.weights == "global_minimum":
            return TrainedLayer(global_minimum(context.covariance[0], n_context))
        return TrainedLayer(optimal_after_training(training, context.covariance[0], n_context))


@dataclass(frozen=True)
class TrainedLayer(LinearEstimator):
    """The trained layer: prediction x_q . A (1/M) sum_{i<M} y_i x_i, 0 at M = 0."""

    matrix: Tensor  # (dim, dim) A

    def weights(self, prompts: PromptBatch) -> Tensor:
        """Return A (1/M) sum_{i<M} y_i x_i, (prompt, size, dim)."""
        return averaged_weights(prompts, self.matrix)

    def linear_maps(self, prompts: PromptBatch) -> LinearMaps:
        """B = A X^T / M."""
        return averaged_maps(prompts, self.matrix)


MODEL = LinearSelfAttention
