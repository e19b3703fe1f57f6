"""Gradient descent and Newton's iteration for the inverse, for every context size of a prompt at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from icl_bench.prefix_solvers.prefix_moments import prefix_cross, prefix_gram
from icl_bench.prompts import PromptBatch

CACHE_BYTES = 3_000_000
"""What the steps of one group of prompts touch: they run over groups small enough to stay in a core's cache."""

DUAL_ROWS_PER_DIM = 3
"""Up to this many examples a dimension, one product with the kernel of all sizes beats one with each size's Gram."""

SIZES_TOGETHER = 16
"""Context sizes that share a kernel: more leave more of the product masked, fewer make it small."""


def descent_weights(
    prompts: PromptBatch, n_steps: int, learning_rate: float, preconditioner: Tensor | None = None
) -> Tensor:
    """Return w after `n_steps` steps from 0 on |y - X w|^2/(2k), at each distinct size k: (prompt, size, dim).

    Each step is w <- w + learning_rate * P X^T (y - X w)/k; P = I when None.
    """
    sizes, _ = prompts.distinct_sizes()
    x, y = prompts.context_x.double(), prompts.context_y.double()
    inside = sum(size <= DUAL_ROWS_PER_DIM * prompts.n_dims for size in sizes)
    n_parts = -(-inside // SIZES_TOGETHER)
    ends = [round(inside * part / n_parts) for part in range(1, n_parts + 1)]
    weights = [
        _dual_weights(x, y, sizes[start:end], n_steps, learning_rate, preconditioner)
        for start, end in zip([0, *ends], ends, strict=False)
    ]
    if inside < len(sizes):
        weights.append(_primal_weights(x, y, sizes[inside:], n_steps, learning_rate, preconditioner))
    return torch.cat(weights, dim=1)


def _steps(sizes: Sequence[int], learning_rate: float, like: Tensor) -> Tensor:
    """Return learning_rate / k, (size,); at k = 0 any number does."""
    return learning_rate / torch.tensor(sizes, dtype=like.dtype, device=like.device).clamp_min(1.0)


def _groups(n_prompts: int, bytes_each: int) -> Iterator[slice]:
    group = max(1, CACHE_BYTES // max(1, bytes_each))
    return (slice(start, start + group) for start in range(0, n_prompts, group))


def _dual_weights(
    x: Tensor,
    y: Tensor,
    sizes: Sequence[int],
    n_steps: int,
    learning_rate: float,
    preconditioner: Tensor | None,
) -> Tensor:
    """Descend on the coefficients a of w = P X^T a: a <- a + step (y - K a), K = X P X^T, zero past each prefix.

    x (prompt, context, dim), y (prompt, context). One matrix product serves the step of all `sizes`.
    """
    n_rows = sizes[-1]
    x, y = x[:, :n_rows], y[:, None, :n_rows]
    visible = torch.arange(n_rows, device=x.device) < torch.tensor(sizes, device=x.device)[:, None]
    step = visible * _steps(sizes, learning_rate, x)[:, None]  # (size, context)
    moved = x if preconditioner is None else x @ preconditioner.to(x).mT  # rows P x
    weights = x.new_empty(len(x), len(sizes), x.shape[2])
    for rows in _groups(len(x), 8 * n_rows * (n_rows + 2 * len(sizes))):
        kernel = moved[rows] @ x[rows].mT  # (prompt, context, context): K^T
        a = y[rows] * step  # (prompt, size, context)
        residual = torch.empty_like(a)
        for _ in range(n_steps - 1):
            torch.baddbmm(y[rows], a, kernel, alpha=-1.0, out=residual)
            a.addcmul_(residual, step)
        weights[rows] = a @ moved[rows]
    return weights


def _primal_weights(
    x: Tensor,
    y: Tensor,
    sizes: Sequence[int],
    n_steps: int,
    learning_rate: float,
    preconditioner: Tensor | None,
) -> Tensor:
    """Descend on w with each size's Gram matrix, whatever the number of examples: (prompt, size, dim)."""
    step = _steps(sizes, learning_rate, x)
    weights = []
    for rows in _groups(len(x), 8 * len(sizes) * x.shape[2] ** 2):
        gram = prefix_gram(x[rows], sizes) * step[:, None, None]
        cross = prefix_cross(x[rows], y[rows], sizes) * step[:, None]
        if preconditioner is not None:
            gram, cross = preconditioner.to(gram) @ gram, cross @ preconditioner.to(gram).mT
        w = cross
        for _ in range(n_steps - 1):
            w = w + cross - (gram @ w[..., None])[..., 0]
        weights.append(w)
    return torch.cat(weights)


def descent_matrix(gram: Tensor, count: Tensor, n_steps: int, learning_rate: float, preconditioner: Tensor) -> Tensor:
    """Return H with w = H X^T y after `n_steps` steps; `gram` is X^T X (prompt, size, dim, dim), `count` is k.

    With s = learning_rate / k, H_K = sum_{j<K} T^j s P and T = I - s P X^T X, summed by doubling: H_2m = H_m + T^m H_m.
    """
    first = (learning_rate / count)[:, None, None] * preconditioner
    once = -(first @ gram)
    once.diagonal(dim1=-2, dim2=-1).add_(1.0)  # T
    total, power = first.expand_as(gram), once
    for bit in format(n_steps, "b")[1:]:
        total = total + power @ total
        power = power @ power
        if bit == "1":
            total, power = first + once @ total, once @ power
    return total


def newton_inverse(gram: Tensor, n_iterations: int) -> Tensor:
    """Return the Newton-Schulz iterate for the (pseudo-)inverse of `gram`, (..., dim, dim).

    M_0 = S / |S|_F^2, M <- 2 M - M S M (Fu et al. 2310.17086, equation 6; any start alpha S with
    alpha < 2 / |S|^2 converges).
    """
    inverse = _newton_start(gram)
    for _ in range(n_iterations):
        inverse = 2.0 * inverse - inverse @ (gram @ inverse)
    return inverse


def newton_weights(prompts: PromptBatch, n_iterations: int) -> Tensor:
    """Return M_K X^T y at each distinct size, M_K the iterate of `newton_inverse`: (prompt, size, dim).

    M_K = M_0 (I + R)(I + R^2)(I + R^4) ... with K factors and R = I - S M_0 (a geometric series): one square and one
    matrix-vector product an iteration.
    """
    sizes, _ = prompts.distinct_sizes()
    x, y = prompts.context_x.double(), prompts.context_y.double()
    weights = []
    for rows in _groups(len(x), 3 * 8 * len(sizes) * prompts.n_dims**2):
        gram = prefix_gram(x[rows], sizes)
        start = _newton_start(gram)
        remainder = gram @ start
        remainder.neg_().diagonal(dim1=-2, dim2=-1).add_(1.0)  # R
        w = start @ prefix_cross(x[rows], y[rows], sizes)[..., None]
        for iteration in range(n_iterations):
            if iteration:
                remainder = remainder @ remainder
            w = w + remainder @ w
        weights.append(w[..., 0])
    return torch.cat(weights)


def _newton_start(gram: Tensor) -> Tensor:
    """M_0 = S / |S|_F^2, 0 where S = 0."""
    square = gram.square().sum((-1, -2), keepdim=True)
    return gram / square.clamp_min(torch.finfo(gram.dtype).tiny)
