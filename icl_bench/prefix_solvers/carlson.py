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

import torch
from torch import Tensor

from icl_bench.prefix_solvers.posterior_at_queries import GaussianPosterior
from icl_bench.prompts import PromptBatch

CACHE_BYTES = 250_000
"""Size of G of one group of prompts: with its two temporaries it stays in a core's cache."""


class _State:
    """After some examples; prompt last."""

    def __init__(self, n_dims: int, n_prompts: int, penalty: float, like: Tensor) -> None:
        eye = torch.eye(n_dims, dtype=like.dtype, device=like.device) / math.sqrt(penalty)
        self.w = like.new_zeros(n_dims, n_prompts)
        self.root = eye[:, :, None].repeat(1, 1, n_prompts)  # (dim, column, prompt) G
        self.fit = like.new_zeros(n_prompts)  # y^T K^-1 y
        self.log_det = like.new_zeros(n_prompts)
        self._products, self._sums = torch.empty_like(self.root), torch.empty_like(self.root)

    def update(self, x: Tensor, y: Tensor) -> None:
        """Take in one example of each prompt: x (dim, prompt), y (prompt,)."""
        f = self.at(x)
        square = f.square().cumsum(0).add_(1.0)  # s_j^2
        after = square.sqrt()
        before = torch.cat([torch.ones_like(after[:1]), after[:-1]])
        torch.cumsum(torch.mul(self.root, f, out=self._products), 1, out=self._sums)  # g
        innovation = y - (self.w * x).sum(0)
        self.w += self._sums[:, -1] * (innovation / square[-1])
        self.root *= before / after
        self.root[:, 1:].addcmul_(self._sums[:, :-1], (f / (before * after))[1:], value=-1.0)
        self.fit += innovation.square() / square[-1]
        self.log_det += square[-1].log()

    def at(self, x: Tensor) -> Tensor:
        """Return G^T x, (column, prompt), for x (dim, prompt)."""
        return torch.mul(self.root, x[:, None], out=self._products).sum(0)


def _states(x: Tensor, y: Tensor, sizes: Sequence[int], penalty: float) -> Iterator[_State]:
    """Yield the state at each of `sizes` (increasing); x (prompt, context, dim), y (prompt, context), float64."""
    n_prompts, _, n_dims = x.shape
    rows, labels = x.permute(1, 2, 0).contiguous(), y.mT.contiguous()
    state = _State(n_dims, n_prompts, penalty, x)
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
            for query in (position == row).nonzero()[:, 0].tolist():
                at = query_x[rows, query].mT.contiguous()  # (dim, prompt)
                found.mean[rows, query] = (at * state.w).sum(0)
                found.leverage[rows, query] = state.at(at).square().sum(0)
                found.fit[rows, query], found.log_det[rows, query] = state.fit, state.log_det
    return found
