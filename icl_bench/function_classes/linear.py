"""Linear functions f(x) = w . x with w ~ N(0, tau^2 I)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.laws.tasks import Posterior
from icl_bench.prompts import PromptBatch
from icl_bench.seeding import BLOCK_SIZE, Streams
from icl_bench.solvers.gaussian_posterior import gaussian_posterior
from icl_bench.solvers.min_norm import min_norm_fit


@dataclass(frozen=True, slots=True)
class LinearTask:
    """f(x) = w . x, one w a prompt."""

    weights: Tensor  # (prompt, dim)

    def __call__(self, x: Tensor) -> Tensor:
        """Return w . x, shape (prompt, example)."""
        return (x * self.weights[:, None, :]).sum(-1)


@dataclass(frozen=True, slots=True)
class Linear:
    """Linear functions f(x) = w . x with w ~ N(0, tau^2 I) (Garg et al. 2208.01066).

    Bayes prediction: ridge regression with penalty noise variance / tau^2; without noise, the min-norm solution.
    """

    n_dims: int
    tau: float = 1.0

    def sample(self, streams: Streams) -> LinearTask:
        """Draw w for each prompt of a block."""
        return LinearTask(self.tau * torch.from_numpy(streams.normal("task", (BLOCK_SIZE, self.n_dims))))

    def posterior(self, prompts: PromptBatch, noise_variance: float) -> Posterior:
        """Return the exact posterior of f at the queries under Gaussian noise."""
        if noise_variance > 0.0:
            solved = gaussian_posterior(prompts, noise_variance / self.tau**2)
            return Posterior(solved.mean, noise_variance * solved.leverage)
        fit = min_norm_fit(prompts, with_maps=True)
        unseen = fit.unseen(prompts.query_x)
        return Posterior(fit.predict(prompts.query_x), self.tau**2 * unseen)

    def second_moment(self) -> Tensor:
        """E[w w^T] = tau^2 I."""
        return self.tau**2 * torch.eye(self.n_dims, dtype=torch.float64)

    def ridge_penalty(self, noise_variance: float) -> float:
        """Noise variance over tau^2."""
        return noise_variance / self.tau**2


FUNCTION_CLASS = Linear
