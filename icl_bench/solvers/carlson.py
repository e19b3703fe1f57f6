"""The Gaussian update of w one example at a time in triangular square-root form, at any scale of the covariates.

State, for each prompt: the mean w, and G with G G^T = (X^T X + penalty I)^-1, which starts as I/sqrt(penalty). A new
example x with f = G^T x and s_j^2 = 1 + sum_{i<=j} f_i^2, g_j = sum_{i<=j} f_i G_i over columns (Carlson 1973):

    G_j <- (s_{j-1}/s_j) G_j - f_j/(s_{j-1} s_j) g_{j-1}        w <- w + g_d (y - w.x)/s_d^2

Columns shrink by a product, not by a difference, so that |x|^2/penalty may be anything, where the Gram matrix loses
1e-16 times that. Posterior variances are |G^T x_q|^2, never a difference. Everything is laid out with the prompt last.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.prompts import PromptBatch
from icl_bench.solvers.posterior_at_queries import GaussianPosterior

CACHE_BYTES = 1_000_000
"""Size of G of one group of prompts: with its temporaries it stays in a core's cache."""


@dataclass(slots=True)
class _State:
    """After some examples; prompt last."""

    w: Tensor  # (dim, prompt)
    root: Tensor  # (dim, column, prompt) G
    fit: Tensor  # (prompt,) y^T K^-1 y
    log_det: Tensor  # (prompt,)

    def update(self, x: Tensor, y: Tensor) -> None:
        """Take in one example of each prompt: x (dim, prompt), y (prompt,)."""
        f = (self.root * x[:, None]).sum(0)  # (column, prompt)
        square = f.square().cumsum(0).add_(1.0)  # s_j^2
        after = square.sqrt()
        before = torch.cat([torch.ones_like(after[:1]), after[:-1]])
        sums = (self.root * f).cumsum(1)  # (dim, column, prompt) g
        innovation = y - (self.w * x).sum(0)
        self.w = self.w + sums[:, -1] * (innovation / square[-1])
        self.root *= before / after
        self.root[:, 1:] -= sums[:, :-1] * (f / (before * after))[1:]
        self.fit = self.fit + innovation.square() / square[-1]
        self.log_det = self.log_det + square[-1].log()


def _states(x: Tensor, y: Tensor, sizes: Sequence[int], penalty: float) -> Iterator[_State]:
    """Yield the state at each of `sizes` (increasing); x (prompt, context, dim), y (prompt, context), float64."""
    n_prompts, _, n_dims = x.shape
    rows, labels = x.permute(1, 2, 0).contiguous(), y.mT.contiguous()
    root = (torch.eye(n_dims, dtype=x.dtype, device=x.device) / math.sqrt(penalty))[:, :, None]
    zeros = x.new_zeros(n_prompts)
    state = _State(x.new_zeros(n_dims, n_prompts), root.repeat(1, 1, n_prompts), zeros, zeros)
    start = 0
    for size in sizes:
        for example in range(start, size):
            state.update(rows[example], labels[example])
        start = size
        yield state


def _groups(prompts: PromptBatch) -> Iterator[slice]:
    group = max(1, CACHE_BYTES // (8 * prompts.n_dims**2))
    return (slice(start, start + group) for start in range(0, prompts.n_prompts, group))


def square_root_weights(prompts: PromptBatch, penalty: float) -> Tensor:
    """Return the ridge weights at each distinct context size, (prompt, size, dim)."""
    sizes = prompts.distinct_sizes()[0]
    weights = prompts.context_x.new_empty(prompts.n_prompts, len(sizes), prompts.n_dims, dtype=torch.float64)
    for rows in _groups(prompts):
        x, y = prompts.context_x[rows].double(), prompts.context_y[rows].double()
        for row, state in enumerate(_states(x, y, sizes, penalty)):
            weights[rows, row] = state.w.mT
    return weights


def square_root_posterior(prompts: PromptBatch, penalty: float) -> GaussianPosterior:
    """Return the posterior at every query; see `gaussian_posterior`."""
    sizes, position = prompts.distinct_sizes()
    query_x = prompts.query_x.double()
    found = GaussianPosterior.empty(query_x)
    for rows in _groups(prompts):
        x, y = prompts.context_x[rows].double(), prompts.context_y[rows].double()
        for row, state in enumerate(_states(x, y, sizes, penalty)):
            asked = (position == row).nonzero()[:, 0]
            at = query_x[rows, asked]  # (prompt, asked, dim)
            found.mean[rows, asked] = (at @ state.w.mT[:, :, None])[:, :, 0]
            found.leverage[rows, asked] = (at @ state.root.movedim(-1, 0)).square().sum(-1)
            found.fit[rows, asked], found.log_det[rows, asked] = state.fit[:, None], state.log_det[:, None]
    return found
