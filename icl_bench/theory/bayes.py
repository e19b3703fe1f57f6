"""The posterior mean under a given law, as a learner, with its exact risk."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.errors import NoClosedForm
from icl_bench.laws.law import Parameters, PromptLaw
from icl_bench.laws.truth import why_no_bayes
from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prefix_solvers.gaussian_posterior import gram_maps, routes
from icl_bench.prefix_solvers.min_norm import min_norm_fit
from icl_bench.prefix_solvers.prefix_moments import prefix_gram
from icl_bench.prefix_solvers.truncated_svd import spectral_maps
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.theory.linear_learners import polynomial_maps
from icl_bench.theory.tails import least_squares_tail, noise_limited_tail


def ridge_maps(prompts: PromptBatch, penalty: float) -> LinearMaps:
    """Return the maps of ridge regression, w_hat = (X^T X + penalty I)^-1 X^T y; min-norm at penalty 0.

    By the Gram matrix where max |x|^2/penalty is moderate, else by the singular values. The eigenvalues of B X are in
    [0, 1] and those of B B^T not negative, but for rounding, so that no risk made of them is negative or too large.
    Raises NoClosedForm when the examples cannot be squared in float64.
    """
    if penalty == 0.0:
        return min_norm_fit(prompts, with_maps=True).maps()
    gram, _ = routes(prompts, penalty)
    if bool(gram.all()):
        return gram_maps(prompts, penalty)
    if not bool(gram.any()):
        return spectral_maps(prompts, penalty)
    shape = (prompts.n_prompts, len(prompts.distinct_sizes()[0]), prompts.n_dims, prompts.n_dims)
    signal = prompts.context_x.new_empty(shape, dtype=torch.float64)
    noise = torch.empty_like(signal)
    for chosen, solve in ((gram, gram_maps), (~gram, spectral_maps)):
        rows = chosen.nonzero()[:, 0]
        maps = solve(prompts.select(rows), penalty)
        signal[rows], noise[rows] = maps.signal, maps.noise
    return LinearMaps(signal, noise)


def task_maps(prompts: PromptBatch, omega: Tensor, noise_variance: float) -> LinearMaps:
    """Return the maps of the posterior mean of w ~ N(0, Omega) under iid noise of variance > 0; Omega may be singular.

    With R the root of Omega, w_hat = R (R X^T X R + noise_variance I)^-1 R X^T y: ridge regression on x -> R x.
    """
    values, vectors = torch.linalg.eigh(omega.to(prompts.context_x.device))
    root = (vectors * values.clamp_min(0.0).sqrt()) @ vectors.mT
    gram = prefix_gram(prompts.context_x.double(), prompts.distinct_sizes()[0])
    eye = torch.eye(prompts.n_dims, dtype=gram.dtype, device=gram.device)
    return polynomial_maps(root @ torch.linalg.inv(root @ gram @ root + noise_variance * eye) @ root, gram)


@dataclass(frozen=True)
class PosteriorMean:
    """Answers with the posterior mean of f(x_q) under `law`, whatever law the prompts come from."""

    law: PromptLaw

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Return the posterior mean (prompt, query); NoClosedForm where none is known."""
        return Prediction(self.law.bayes(prompts).mean)

    @property
    def linear_in_labels(self) -> bool:
        """Whether the posterior mean is linear in the labels, that of a Gaussian task, and its maps are not known."""
        if why_no_bayes(self.law) or not self.law.prior.gaussian:
            return False
        return self._penalty() is None and self._task() is None

    def _penalty(self) -> float | None:
        """Return the penalty at which ridge regression is the posterior mean, None when it is not."""
        law = self.law
        if why_no_bayes(law) or law.labels or law.noise.variance is None:
            return None
        return law.prior.ridge_penalty(law.noise.variance)

    def _task(self) -> tuple[Tensor, float] | None:
        """Return E[w w^T] and the noise variance where one Gaussian w of mean 0 is seen under noise; else None."""
        law = self.law
        if (
            why_no_bayes(law)
            or law.labels
            or not law.noise.variance
            or not (law.prior.gaussian and law.prior.zero_mean)
        ):
            return None
        omega = law.prior.second_moment()
        return None if omega is None else (omega, law.noise.variance)

    def linear_maps(self, prompts: PromptBatch) -> LinearMaps:
        """Those of ridge regression, in the coordinates of the task's covariance; NoClosedForm where it is none."""
        penalty, task = self._penalty(), self._task()
        if penalty is not None:
            return ridge_maps(prompts, penalty)
        if task is not None:
            return task_maps(prompts, *task)
        raise NoClosedForm(why_no_bayes(self.law) or "no linear maps: the posterior mean is not ridge regression")

    def tail_index(self, parameters: Parameters, context_size: int) -> float | None:
        """As light as the noise allows; of least squares when the law has no noise; None where not known."""
        law = self.law
        if law.rows is not None or law.observe or law.labels or law.prior.second_moment() is None:
            return None
        if law.noise.variance == 0.0:
            return least_squares_tail(parameters, context_size)
        return noise_limited_tail(parameters)
