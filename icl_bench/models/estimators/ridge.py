"""Ridge regression with a given penalty, the training law's Bayes penalty, or penalties averaged by evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from icl_bench.errors import NoClosedForm, PluginError
from icl_bench.laws.law import Parameters, PromptLaw
from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prefix_solvers.gaussian_posterior import gaussian_posterior, ridge_weights
from icl_bench.prefix_solvers.min_norm import min_norm_fit
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.theory.bayes import ridge_maps
from icl_bench.theory.estimators import LinearEstimator
from icl_bench.theory.tails import least_squares_tail

EVIDENCE_GRID = tuple(10.0 ** (step / 2) for step in range(-6, 5))
"""Penalties 1e-3 .. 1e2 that `evidence` averages over."""


@dataclass(frozen=True)
class Ridge(LinearEstimator):
    """Ridge regression w = (X^T X + alpha I)^-1 X^T y, all context sizes in one pass (float64).

    alpha: a number >= 0; "bayes", the noise variance over the task variance of the TRAINING law; or "evidence", the
    average over penalties 1e-3 .. 1e2 weighted by the marginal likelihood of the context at unit task variance
    (an unknown noise level; MacKay 1992).
    """

    alpha: float | Literal["bayes", "evidence"] = "bayes"

    def __post_init__(self) -> None:
        if isinstance(self.alpha, float | int) and self.alpha < 0:
            raise ValueError(f"alpha: expected a number >= 0, 'bayes' or 'evidence', got {self.alpha}")

    def bind(self, training: PromptLaw) -> Ridge:
        """Return the model with alpha = "bayes" resolved to the training law's penalty."""
        if self.alpha != "bayes":
            return self
        if training.rows is not None or training.observe or training.labels or training.noise.variance is None:
            raise NoClosedForm(
                "no Bayes penalty: the training law has no task prior, or labels as they are seen have no one variance"
            )
        penalty = training.prior.ridge_penalty(training.noise.variance)
        if penalty is None:
            raise NoClosedForm(f"no Bayes penalty: the posterior of {type(training.prior).__name__} is not ridge")
        return Ridge(penalty)

    def _penalty(self) -> float:
        if isinstance(self.alpha, str):
            raise PluginError("alpha = 'bayes' is not resolved: expected bind(training) before predict")
        return self.alpha

    def weights(self, prompts: PromptBatch) -> Tensor:
        """Return w_k under one penalty, (prompt, size, dim)."""
        penalty = self._penalty()
        return min_norm_fit(prompts).weights if penalty == 0.0 else ridge_weights(prompts, penalty)

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Return x_q . w_k, (prompt, query), averaged over penalties where they are."""
        return Prediction(_evidence_mean(prompts)) if self.alpha == "evidence" else super().predict(prompts)

    def linear_maps(self, prompts: PromptBatch) -> LinearMaps:
        """B = (X^T X + alpha I)^-1 X^T; NoClosedForm for "evidence", whose weights depend on the labels."""
        if self.alpha == "evidence":
            raise NoClosedForm("no exact risk: evidence weights depend on the labels")
        return ridge_maps(prompts, self._penalty())

    def tail_index(self, parameters: Parameters, context_size: int) -> float | None:
        """As light as the noise allows; of least squares at alpha = 0."""
        if self.alpha == 0.0:
            return least_squares_tail(parameters, context_size)
        return super().tail_index(parameters, context_size)


def _evidence_mean(prompts: PromptBatch) -> Tensor:
    """Return the evidence-weighted mean of the ridge predictions over the grid, (prompt, query)."""
    means, evidences = [], []
    for penalty in EVIDENCE_GRID:
        solved = gaussian_posterior(prompts, penalty)
        means.append(solved.mean)
        evidences.append(solved.log_evidence(penalty, prompts.context_sizes))
    weights = torch.softmax(torch.stack(evidences), dim=0)  # (penalty, prompt, query)
    return (weights * torch.stack(means)).sum(0)


MODEL = Ridge
