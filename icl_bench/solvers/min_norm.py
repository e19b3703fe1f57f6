"""Minimum-norm least squares after every prefix of a prompt, in one recursive pass.

State, for each prompt: the estimate w, an orthonormal basis Q of the span of the examples so far, and a square root G
of the pseudo-inverse of the Gram matrix (G G^T = (X^T X)^+). A new example x, with f = G^T x, either leaves the span
(Greville 1960) or lies in it (recursive least squares, in Potter's square-root form, which loses half the digits
that the covariance form loses):

    c = x - Q Q^T x
    c != 0:  g = c / |c|^2            G <- [G - g f^T, g]
    c == 0:  g = G f / (1 + f.f)      G <- G - G f f^T / (1 + f.f + sqrt(1 + f.f))
    w <- w + g (y - w.x)

Everything is float64 and laid out with the prompt last, so that each step is one vector operation over prompts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.prompts import PromptBatch
from icl_bench.protocols import LinearMaps

RANK_TOLERANCE = 1e-12
"""An example leaves the span when |c| exceeds this times |x|. A loose tolerance stays wrong for ever after."""


@dataclass(frozen=True, slots=True)
class MinNormFit:
    """Estimates at each distinct context size; `position[j]` is the row of query j's size."""

    weights: Tensor  # (prompt, size, dim)
    position: Tensor  # (query,)
    basis: Tensor | None = None  # (prompt, size, dim, dim) columns of Q, zero beyond the rank
    root: Tensor | None = None  # (prompt, size, dim, dim) G

    def predict(self, query_x: Tensor) -> Tensor:
        """Return w . x at each query, shape (prompt, query)."""
        return (self.weights[:, self.position] * query_x).sum(-1)

    def unseen(self, query_x: Tensor) -> Tensor:
        """Return the squared norm of each query's part outside the span of its context, (prompt, query)."""
        assert self.basis is not None
        basis = self.basis[:, self.position]
        inside = torch.einsum("pqdr,pqd->pqr", basis, query_x)
        outside = query_x - torch.einsum("pqdr,pqr->pqd", basis, inside)
        return outside.square().sum(-1)

    def maps(self) -> LinearMaps:
        """Return B X = Q Q^T and B B^T = G G^T at each size."""
        assert self.basis is not None
        assert self.root is not None
        return LinearMaps(self.basis @ self.basis.mT, self.root @ self.root.mT)


class _Recursion:
    """The state described above, for all prompts at once; prompt last."""

    def __init__(self, n_dims: int, n_prompts: int, like: Tensor) -> None:
        self.w = like.new_zeros(n_dims, n_prompts)
        self.basis = like.new_zeros(n_dims, n_dims, n_prompts)  # (dim, column, prompt)
        self.root = like.new_zeros(n_dims, n_dims, n_prompts)
        self.rank = torch.zeros(n_prompts, dtype=torch.long, device=like.device)
        self.n_dims = n_dims
        self.columns = 0  # the largest rank so far: later columns of basis and root are zero
        self.lowest = 0

    def update(self, x: Tensor, y: Tensor) -> None:
        """Take in one example of each prompt: x (dim, prompt), y (prompt,)."""
        used = self.root[:, : self.columns]
        f = (used * x[:, None]).sum(0)  # (column, prompt)
        innovation = y - (self.w * x).sum(0)
        fresh, step = None, None
        if self.lowest < self.n_dims:
            fresh, step = self._leaves_span(x)
        if fresh is not None and bool(fresh.all()):
            assert step is not None
            gain = remove = step
        else:
            norm = 1.0 + f.square().sum(0)
            direction = (used * f[None]).sum(1)  # G f
            gain, remove = direction / norm, direction / (norm + norm.sqrt())
            if fresh is not None and bool(fresh.any()):
                assert step is not None
                gain, remove = torch.where(fresh, step, gain), torch.where(fresh, step, remove)
        used.sub_(remove[:, None] * f[None])
        self.w += gain * innovation
        if fresh is not None and bool(fresh.any()):
            assert step is not None
            self._append(fresh, step)

    def _leaves_span(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return which prompts' examples leave the span, and c / |c|^2 for those (0 elsewhere)."""
        basis = self.basis[:, : self.columns]
        c = x
        for _ in range(2):  # once more removes what rounding left of the span (Gram-Schmidt twice is enough)
            c = c - (basis * (basis * c[:, None]).sum(0)[None]).sum(1)
        square = c.square().sum(0)
        fresh = (square > RANK_TOLERANCE**2 * x.square().sum(0)) & (self.rank < self.n_dims)
        return fresh, torch.where(fresh, c / square.clamp_min(torch.finfo(c.dtype).tiny), 0.0)

    def _append(self, fresh: Tensor, step: Tensor) -> None:
        """Put c/|c| and c/|c|^2 in the next free column of Q and G, where `fresh`."""
        prompts = fresh.nonzero()[:, 0]
        columns = self.rank[prompts]
        chosen = step[:, prompts]
        self.root[:, columns, prompts] = chosen
        self.basis[:, columns, prompts] = chosen / chosen.norm(dim=0)
        self.rank += fresh
        self.columns = int(self.rank.max())
        self.lowest = int(self.rank.min())


def min_norm_fit(prompts: PromptBatch, *, with_maps: bool = False) -> MinNormFit:
    """Return the minimum-norm least-squares estimate at each context size of `prompts`.

    `with_maps` also keeps Q and G at each size (dim^2 numbers a prompt and size).
    """
    sizes, position = prompts.distinct_sizes()
    x = prompts.context_x.double().permute(1, 2, 0).contiguous()  # (context, dim, prompt)
    y = prompts.context_y.double().mT.contiguous()  # (context, prompt)
    state = _Recursion(prompts.n_dims, prompts.n_prompts, x)
    weights, bases, roots = [], [], []
    wanted = set(sizes)
    for size in range(sizes[-1] + 1):
        if size in wanted:
            weights.append(state.w.clone())
            if with_maps:
                bases.append(state.basis.clone())
                roots.append(state.root.clone())
        if size < sizes[-1]:
            state.update(x[size], y[size])

    def prompt_first(parts: list[Tensor]) -> Tensor:
        stacked = torch.stack(parts)  # (size, ..., prompt)
        return stacked.movedim(-1, 0).contiguous()

    if not with_maps:
        return MinNormFit(prompt_first(weights), position)
    return MinNormFit(prompt_first(weights), position, prompt_first(bases), prompt_first(roots))
