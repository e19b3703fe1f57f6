"""Ridge regression after every prefix of a prompt at once, with posterior variances and evidence.

In the dual (Gaussian-process) view the Gram matrix of a prefix is the leading block of the whole prompt's, so ONE
Cholesky factor L of K = X S X^T + I serves every context size k: with z = L^-1 y and v = L^-1 X S x_q,

    mean_k = sum_{i<k} v_i z_i        leverage_k = x_q.S x_q - sum_{i<k} v_i^2        S = I / penalty.

Rows are taken in chunks; after each one the prior becomes the posterior, kept as a mean and a square root of S
(Rasmussen and Williams 2006, section 2.2 and algorithm 2.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.prompts import PromptBatch


@dataclass(frozen=True, slots=True)
class GaussianPosterior:
    """Posterior of w . x at each query, for w ~ N(0, s2/penalty I) and noise variance s2."""

    mean: Tensor  # (prompt, query)
    leverage: Tensor  # (prompt, query) posterior variance of w . x in units of s2
    fit: Tensor  # (prompt, query) y^T K^-1 y of the query's context
    log_det: Tensor  # (prompt, query) log det K of the query's context

    def log_evidence(self, noise_variance: float, sizes: tuple[int, ...]) -> Tensor:
        """Return log p(y | X) of each query's context, shape (prompt, query)."""
        count = torch.tensor(sizes, dtype=torch.float64, device=self.fit.device)
        constant = count * math.log(2.0 * math.pi * noise_variance)
        return -0.5 * (self.fit / noise_variance + self.log_det + constant)


def _chunk_rows(n_dims: int) -> int:
    """Rows taken at once: past about this many, the dual's cubic cost outgrows the update of the prior."""
    return max(64, 3 * n_dims)


def gaussian_posterior(prompts: PromptBatch, penalty: float) -> GaussianPosterior:
    """Return the posterior at every query for a ridge penalty > 0 (noise variance over prior variance).

    Raises ValueError when the penalty is not a positive number.
    """
    if not penalty > 0.0:
        raise ValueError(f"penalty: expected a number > 0, got {penalty} (for 0 use the min-norm solver)")
    x, y, query_x = prompts.context_x.double(), prompts.context_y.double(), prompts.query_x.double()
    n_prompts, n_dims = prompts.n_prompts, prompts.n_dims
    sizes = torch.tensor(prompts.context_sizes, device=x.device)
    mean = x.new_zeros(n_prompts, prompts.n_queries)
    leverage, fit, log_det = torch.zeros_like(mean), torch.zeros_like(mean), torch.zeros_like(mean)
    w = x.new_zeros(n_prompts, n_dims)
    root = (torch.eye(n_dims, dtype=x.dtype, device=x.device) / math.sqrt(penalty)).expand(n_prompts, -1, -1)
    fit_before, log_det_before = x.new_zeros(n_prompts), x.new_zeros(n_prompts)
    n_context = max(prompts.context_sizes)
    starts = list(range(0, n_context, _chunk_rows(n_dims))) or [0]
    for start, end in zip(starts, [*starts[1:], n_context], strict=True):
        last = end == n_context
        asked = ((sizes >= start) & ((sizes < end) | ((sizes == end) & last))).nonzero()[:, 0]
        chunk = x[:, start:end]
        u = chunk @ root  # (prompt, row, dim)
        identity = torch.eye(end - start, dtype=x.dtype, device=x.device)
        factor = torch.linalg.cholesky(u @ u.mT + identity)
        residual = y[:, start:end] - (chunk @ w[:, :, None])[:, :, 0]
        z = torch.linalg.solve_triangular(factor, residual[:, :, None], upper=False)[:, :, 0]
        fits = fit_before[:, None] + _prefix_sums(z.square())
        dets = log_det_before[:, None] + _prefix_sums(2.0 * factor.diagonal(dim1=1, dim2=2).log())
        if len(asked):
            inside = sizes[asked] - start
            uq = query_x[:, asked] @ root  # (prompt, asked, dim)
            v = _query_rows(prompts, factor, u, uq, asked, inside)  # (prompt, asked, row)
            mean[:, asked] = (query_x[:, asked] @ w[:, :, None])[:, :, 0] + (v @ z[:, :, None])[:, :, 0]
            leverage[:, asked] = (uq.square().sum(-1) - v.square().sum(-1)).clamp_min(0.0)
            fit[:, asked], log_det[:, asked] = fits[:, inside], dets[:, inside]
        if not last:
            dual = torch.linalg.solve_triangular(factor.mT, z[:, :, None], upper=True)
            w = w + (root @ (u.mT @ dual))[:, :, 0]
            small = torch.linalg.cholesky(torch.eye(n_dims, dtype=x.dtype, device=x.device) + u.mT @ u)
            root = torch.linalg.solve_triangular(small, root.mT, upper=False).mT
            fit_before, log_det_before = fits[:, -1], dets[:, -1]
    return GaussianPosterior(mean, leverage, fit, log_det)


def _prefix_sums(values: Tensor) -> Tensor:
    """(prompt, row) -> (prompt, row + 1): sums over the first 0, 1, ... rows."""
    return torch.nn.functional.pad(values.cumsum(1), (1, 0))


def _query_rows(
    prompts: PromptBatch, factor: Tensor, u: Tensor, uq: Tensor, asked: Tensor, inside: Tensor
) -> Tensor:
    """Return v = L^-1 X S x_q of each asked query, zero from its context size on: (prompt, asked, row).

    A query that is the next example already has its row in L.
    """
    n_rows = factor.shape[1]
    visible = torch.arange(n_rows, device=inside.device)[None] < inside[:, None]  # (asked, row)
    if prompts.next_example and bool((inside < n_rows).all()):
        return factor[:, inside] * visible
    if prompts.next_example and bool((inside[:-1] < n_rows).all()):
        final = torch.linalg.solve_triangular(factor, u @ uq[:, -1:].mT, upper=False).mT
        return torch.cat([factor[:, inside[:-1]], final], dim=1) * visible
    solved = torch.linalg.solve_triangular(factor, u @ uq.mT, upper=False)  # (prompt, row, asked)
    return solved.mT * visible
