"""Minimum-norm least squares by one example at a time, whatever the rank: the careful way.

State, for each prompt: the estimate w, an orthonormal basis Q of the span of the examples so far, and a square root G
of the pseudo-inverse of the Gram matrix (G G^T = (X^T X)^+). A new example x, with f = G^T x, either leaves the span
(Greville 1960) or lies in it (recursive least squares, in Potter's square-root form, which loses half the digits
that the covariance form loses):

    c = x - Q Q^T x
    c != 0:  g = c / |c|^2            G <- [G - g f^T, g]
    c == 0:  g = G f / (1 + f.f)      G <- G - G f f^T / (1 + f.f + sqrt(1 + f.f))
    w <- w + g (y - w.x)

What rounding leaves of c is of the order 1e-16 * scale * (1 + |f|), see `numerical_rank`, and as much again for every
column of Q times |x|/|c| of the example that made it (the drift). An example far above that leaves the span, one near
it lies in the span. From the first one in between on the prompt is marked as doubtful, its fits being for another
method to make; so are those after an |f| or a drift that has cost too many digits.

Everything is float64 and laid out with the prompt last, so that each step is one vector operation over prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

SURELY_INSIDE = 64.0 * torch.finfo(torch.float64).eps
"""An example lies in the span when |c| is at most this times scale * (1 + |f| + drift)."""

SURELY_OUTSIDE = 1e-9
"""An example leaves the span when |c| exceeds this times scale * (1 + |f| + drift)."""

LARGEST_COEFFICIENT = 1e6
"""Past an |f| or a drift of this the state has lost more than six digits of sixteen."""


@dataclass(frozen=True, slots=True)
class PrefixFits:
    """What the recursion held at each asked context size."""

    weights: Tensor  # (prompt, size, dim)
    basis: Tensor  # (prompt, dim, dim) columns of Q; at a size, its first `rank` columns
    rank: Tensor  # (prompt, size)
    doubtful: Tensor  # (prompt, size) where none of these is to be relied on
    root: Tensor | None  # (prompt, size, dim, dim) G, when asked for


class _Recursion:
    """The state described above, for all prompts at once; prompt last."""

    def __init__(self, n_dims: int, n_prompts: int, like: Tensor) -> None:
        self.w = like.new_zeros(n_dims, n_prompts)
        self.basis = like.new_zeros(n_dims, n_dims, n_prompts)  # (dim, column, prompt)
        self.root = like.new_zeros(n_dims, n_dims, n_prompts)
        self.rank = torch.zeros(n_prompts, dtype=torch.long, device=like.device)
        self.scale = like.new_zeros(n_prompts)  # the largest |x| so far
        self.least = like.new_full((n_prompts,), torch.inf)  # the smallest |c| that was taken for a direction
        self.drift = like.new_zeros(n_prompts)  # error of Q over the rounding of one example
        self.doubtful = torch.zeros(n_prompts, dtype=torch.bool, device=like.device)
        self.n_dims = n_dims
        self.columns = 0  # the largest rank so far: later columns of basis and root are zero
        self.lowest = 0

    def update(self, x: Tensor, y: Tensor) -> None:
        """Take in one example of each prompt: x (dim, prompt), y (prompt,)."""
        used = self.root[:, : self.columns]
        f = (used * x[:, None]).sum(0)  # (column, prompt)
        innovation = y - (self.w * x).sum(0)
        norm = 1.0 + f.square().sum(0)
        self._judge(x, norm)
        direction = (used * f[None]).sum(1)  # G f
        gain, remove = direction / norm, direction / (norm + norm.sqrt())
        if self.lowest == self.n_dims:
            used.sub_(remove[:, None] * f[None])
            self.w += gain * innovation
            return
        fresh, step = self._leaves_span(x, norm)
        gain, remove = torch.where(fresh, step, gain), torch.where(fresh, step, remove)
        used.sub_(remove[:, None] * f[None])
        self.w += gain * innovation
        if bool(fresh.any()):
            self._append(fresh, step)

    def _judge(self, x: Tensor, norm: Tensor) -> None:
        """Take in the scale of the examples and of f (`norm` is 1 + f.f), and mark what they put in doubt."""
        self.scale = torch.maximum(self.scale, torch.linalg.vector_norm(x, dim=0))
        self.doubtful |= torch.maximum(norm, self.drift.square()) > LARGEST_COEFFICIENT**2
        self.doubtful |= self.least <= SURELY_OUTSIDE * self.scale

    def _leaves_span(self, x: Tensor, norm: Tensor) -> tuple[Tensor, Tensor]:
        """Return which prompts' examples leave the span, and c / |c|^2 for those (0 elsewhere)."""
        basis = self.basis[:, : self.columns]
        c = x
        for _ in range(2):  # once more removes what rounding left of the span (Gram-Schmidt twice is enough)
            c = c - (basis * (basis * c[:, None]).sum(0)[None]).sum(1)
        square = c.square().sum(0)
        size, factor = square.sqrt(), norm.sqrt()  # of the order of 1 + |f|
        unit = self.scale * (factor + self.drift)
        incomplete = self.rank < self.n_dims
        fresh = (size > SURELY_OUTSIDE * unit) & incomplete
        self.doubtful |= incomplete & ~fresh & (size > SURELY_INSIDE * unit)
        self.least = torch.where(fresh, torch.minimum(self.least, size), self.least)
        self.drift = self.drift + torch.where(fresh, self.scale * factor / size, 0.0)
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


def recursive_fits(
    context_x: Tensor, context_y: Tensor, sizes: Sequence[int], *, with_root: bool = False
) -> PrefixFits:
    """Return the fits to the first k examples for k in `sizes` (increasing).

    context_x (prompt, context, dim) and context_y (prompt, context) are float64, and came as float64. `with_root` also
    keeps G at each size (dim^2 numbers a prompt and size).
    """
    n_prompts, _, n_dims = context_x.shape
    x = context_x.permute(1, 2, 0).contiguous()  # (context, dim, prompt)
    y = context_y.mT.contiguous()  # (context, prompt)
    state = _Recursion(n_dims, n_prompts, x)
    weights, ranks, doubts, roots = [], [], [], []
    start = 0
    for size in sizes:
        for example in range(start, size):
            state.update(x[example], y[example])
        start = size
        weights.append(state.w.clone())
        ranks.append(state.rank.clone())
        doubts.append(state.doubtful.clone())
        if with_root:
            roots.append(state.root.clone())

    def prompt_first(tensor: Tensor) -> Tensor:
        return tensor.movedim(-1, 0).contiguous()

    return PrefixFits(
        weights=prompt_first(torch.stack(weights)),
        basis=prompt_first(state.basis),
        rank=prompt_first(torch.stack(ranks)),
        doubtful=prompt_first(torch.stack(doubts)),
        root=prompt_first(torch.stack(roots)) if with_root else None,
    )
