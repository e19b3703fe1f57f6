"""One layer of linear self-attention with the weights that training reaches, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from icl_bench.errors import NoClosedForm, PluginError
from icl_bench.laws.law import Parameters, PromptLaw
from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.theory.linear_learners import averaged_prediction, one_layer_maps
from icl_bench.theory.linear_self_attention import global_minimum, optimal, random_covariance_minimum
from icl_bench.theory.tails import noise_limited_tail


@dataclass(frozen=True)
class LinearSelfAttention:
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
        omega, variance = training.prior.second_moment(), training.noise.variance
        assert omega is not None  # `training_moments` has refused what lacks it
        assert variance is not None
        return TrainedLayer(optimal(context.covariance[0], omega, n_context, variance))

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Refuse: the weights follow from the training law."""
        raise PluginError("linear_self_attention is not trained yet: expected bind(training) before predict")


@dataclass(frozen=True)
class TrainedLayer:
    """The trained layer: prediction x_q . A (1/M) sum_{i<M} y_i x_i, 0 at M = 0."""

    matrix: Tensor  # (dim, dim) A

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Return the prediction, (prompt, query)."""
        return Prediction(averaged_prediction(prompts, self.matrix))

    def linear_maps(self, prompts: PromptBatch) -> LinearMaps:
        """B = A X^T / M."""
        return one_layer_maps(prompts, self.matrix)

    def tail_index(self, parameters: Parameters, context_size: int) -> float | None:
        """As light as the noise allows."""
        return noise_limited_tail(parameters)


MODEL = LinearSelfAttention
