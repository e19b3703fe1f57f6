"""Linear functions f(x) = w . x with w ~ N(0, tau^2 C)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from icl_bench.laws.draws import OWN, Draws
from icl_bench.laws.parts import Posterior, TaskPart
from icl_bench.prefix_solvers.gaussian_posterior import gaussian_posterior
from icl_bench.prefix_solvers.min_norm import min_norm_fit
from icl_bench.prompts import PromptBatch

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Linear(TaskPart):
    """Linear functions f(x) = w . x with w ~ N(0, tau^2 C) (Garg et al. 2208.01066: tau = 1, C = I).

    covariance: C, as the list of its diagonal or of its rows; the identity when absent. Bayes prediction at C = I:
    ridge regression with penalty noise variance / tau^2; without noise, the min-norm solution.
    """

    n_dims: int = field()
    tau: float = 1.0
    covariance: list[float] | list[list[float]] | Rows | None = None

    gaussian = True
    zero_mean = True

    def __post_init__(self) -> None:
        if self.covariance is not None:
            object.__setattr__(self, "covariance", _rows(self.covariance, self.n_dims))

    def _matrix(self) -> Tensor:
        """Return C, (dim, dim)."""
        if self.covariance is None:
            return torch.eye(self.n_dims, dtype=torch.float64)
        return torch.tensor(self.covariance, dtype=torch.float64)

    def _root(self) -> Tensor:
        """Return the symmetric square root of C, (dim, dim)."""
        values, vectors = torch.linalg.eigh(self._matrix())
        root: Tensor = (vectors * values.clamp_min(0.0).sqrt()) @ vectors.mT
        return root

    def draw(self, draws: Draws) -> Tensor:
        """Draw w for each prompt of a block, (prompt, dim)."""
        normals = draws.per_prompt(OWN, (self.n_dims,))
        return self.tau * (normals if self.covariance is None else normals @ self._root())

    def value(self, hidden: Tensor, x: Tensor, position: Tensor) -> Tensor:
        """Return w . x, (prompt, row)."""
        return (x * hidden[:, None, :]).sum(-1)

    def kernel(self, first_x: Tensor, first: Tensor, second_x: Tensor, second: Tensor) -> Tensor:
        """Return tau^2 x . C x'."""
        return self.tau**2 * (first_x @ self._matrix().to(first_x)) @ second_x.mT

    def posterior(self, prompts: PromptBatch, noise_variance: float, label_scale: Tensor | None = None) -> Posterior:
        """Return the exact posterior of f at the queries under Gaussian noise.

        Another C is the identity in the coordinates x -> C^(1/2) x; rows and labels divided by the scale of their noise
        have noise of one variance (a weighted ridge regression).
        """
        x, y, query_x = prompts.context_x, prompts.context_y, prompts.query_x
        if self.covariance is not None:
            root = self._root().to(x.device)
            x, query_x = x.double() @ root, query_x.double() @ root
        if label_scale is not None:
            x, y = x / label_scale[:, :, None], y / label_scale
        prompts = replace(prompts, context_x=x, context_y=y, query_x=query_x, next_example=False)
        if noise_variance > 0.0:
            solved = gaussian_posterior(prompts, noise_variance / self.tau**2)
            return Posterior(solved.mean, noise_variance * solved.leverage)
        fit = min_norm_fit(prompts, with_maps=True)
        unseen = fit.unseen(prompts.query_x)
        return Posterior(fit.predict(prompts.query_x), self.tau**2 * unseen)

    def second_moment(self) -> Tensor:
        """E[w w^T] = tau^2 C."""
        return self.tau**2 * self._matrix()

    def ridge_penalty(self, noise_variance: float) -> float | None:
        """Noise variance over tau^2; None where C is not the identity."""
        return noise_variance / self.tau**2 if self.covariance is None else None


def _rows(given: list[float] | list[list[float]] | Rows, n_dims: int) -> Rows | None:
    """Return C as a tuple of rows, None when it is the identity; ValueError unless it is a covariance of that size."""
    try:
        matrix = torch.tensor(given, dtype=torch.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"covariance: expected {n_dims} numbers or {n_dims} lists of {n_dims}: {error}") from error
    if matrix.ndim == 1:
        matrix = torch.diag(matrix)
    if tuple(matrix.shape) != (n_dims, n_dims):
        raise ValueError(
            f"covariance: expected {n_dims} numbers or {n_dims} lists of {n_dims}, got shape {tuple(matrix.shape)}"
        )
    if not bool(matrix.isfinite().all()) or not torch.equal(matrix, matrix.mT):
        raise ValueError("covariance: expected a symmetric matrix of finite numbers")
    if float(torch.linalg.eigvalsh(matrix).min()) < -1e-12 * float(matrix.abs().max()):
        raise ValueError("covariance: expected no negative eigenvalue")
    if torch.equal(matrix, torch.eye(n_dims, dtype=torch.float64)):
        return None
    return tuple(tuple(row) for row in matrix.tolist())


FUNCTION_CLASS = Linear
