"""Ridge regression after every prefix of a prompt at once, with posterior variances and evidence.

With the chunks of `gaussian_chunks` from the prior N(0, S), S = I / penalty, and v = M G^T x_q at a query,

    mean_k = sum_{i<k} v_i z_i        leverage_k = x_q.S x_q - sum_{i<k} v_i^2        log det K_k = 2 sum_{i<k} log L_ii

where K = X S X^T + I. Answers lose about 1e-16 |X|^2 / penalty: for a penalty below 1e-8 use the min-norm solver.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.prompts import PromptBatch
from icl_bench.solvers.gaussian_chunks import Chunk, gaussian_chunks
from icl_bench.solvers.prefix_moments import sum_at_sizes


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


def gaussian_posterior(prompts: PromptBatch, penalty: float) -> GaussianPosterior:
    """Return the posterior at every query for a ridge penalty > 0 (noise variance over prior variance).

    Raises ValueError when the penalty is not a positive number.
    """
    n_context = max(prompts.context_sizes)
    x = prompts.context_x.double()
    query_x = prompts.query_x.double()
    sizes = torch.tensor(prompts.context_sizes, device=x.device)
    mean = x.new_zeros(prompts.n_prompts, prompts.n_queries)
    leverage, fit, log_det = torch.zeros_like(mean), torch.zeros_like(mean), torch.zeros_like(mean)
    fit_before, log_det_before = mean[:, :1], mean[:, :1]
    for chunk in _chunks(prompts, penalty):
        fits = fit_before + _prefix_sums(chunk.innovation.square())
        log_dets = log_det_before + _prefix_sums(2.0 * chunk.pivots.log())
        last = chunk.end == n_context
        asked = ((sizes >= chunk.start) & ((sizes < chunk.end) | last)).nonzero()[:, 0]
        if len(asked):
            inside = sizes[asked] - chunk.start
            visible = torch.arange(chunk.end - chunk.start, device=x.device) < inside[:, None]  # (asked, row)
            at_query = query_x[:, asked] @ chunk.root  # (prompt, asked, dim) G^T x_q
            v = (at_query @ chunk.solved.mT).mul_(visible)
            prior_mean = (query_x[:, asked] @ chunk.mean[:, :, None])[:, :, 0]
            mean[:, asked] = prior_mean + (v @ chunk.innovation[:, :, None])[:, :, 0]
            leverage[:, asked] = (_squared_norm(at_query) - _squared_norm(v)).clamp_min(0.0)
            fit[:, asked], log_det[:, asked] = fits[:, inside], log_dets[:, inside]
        fit_before, log_det_before = fits[:, -1:], log_dets[:, -1:]
    return GaussianPosterior(mean, leverage, fit, log_det)


def ridge_weights(prompts: PromptBatch, penalty: float) -> Tensor:
    """Return (X^T X + penalty I)^-1 X^T y at each distinct context size, (prompt, size, dim); penalty > 0.

    Cheaper than the whole posterior. Raises ValueError when the penalty is not a positive number.
    """
    increments = [chunk.increments() for chunk in _chunks(prompts, penalty)]
    return sum_at_sizes(torch.cat(increments, dim=1), prompts.distinct_sizes()[0])


def _chunks(prompts: PromptBatch, penalty: float) -> Iterator[Chunk]:
    """Return the chunks of all examples that any query may see, from the prior N(0, I / penalty)."""
    if not penalty > 0.0:
        raise ValueError(f"penalty: expected a number > 0, got {penalty} (for 0 use the min-norm solver)")
    n_context = max(prompts.context_sizes)
    x, y = prompts.context_x[:, :n_context].double(), prompts.context_y[:, :n_context].double()
    root = torch.eye(prompts.n_dims, dtype=x.dtype, device=x.device) / math.sqrt(penalty)
    mean = x.new_zeros(prompts.n_prompts, prompts.n_dims)
    return gaussian_chunks(x, y, mean, root.expand(prompts.n_prompts, -1, -1))


def _prefix_sums(values: Tensor) -> Tensor:
    """(prompt, row) -> (prompt, row + 1): sums over the first 0, 1, ... rows."""
    return torch.nn.functional.pad(values.cumsum(1), (1, 0))


def _squared_norm(vectors: Tensor) -> Tensor:
    """(..., dim) -> (...), without a copy of the squares."""
    norm: Tensor = torch.linalg.vector_norm(vectors, dim=-1)
    return norm.square()
