"""Gradient descent and Newton's iteration for the inverse, for every context size of a prompt at once."""

from __future__ import annotations

import torch
from torch import Tensor

from icl_bench.prompts import PromptBatch
from icl_bench.solvers.prefix_moments import prefix_cross, prefix_gram

GRAM_BYTES = 1_500_000
"""Gram matrices held at once: the steps run over groups of prompts small enough to stay in a core's cache."""


def descent_weights(
    prompts: PromptBatch, n_steps: int, learning_rate: float, preconditioner: Tensor | None = None
) -> Tensor:
    """Return w after `n_steps` steps from 0 on |y - X w|^2/(2k), at each distinct size k: (prompt, size, dim).

    Each step is w <- w + learning_rate * P (b - A w) with A = X^T X / k, b = X^T y / k; P = I when None.
    """
    sizes, _ = prompts.distinct_sizes()
    x, y = prompts.context_x.double(), prompts.context_y.double()
    count = torch.tensor(sizes, dtype=x.dtype, device=x.device).clamp_min(1.0)
    group = max(1, GRAM_BYTES // (8 * len(sizes) * prompts.n_dims**2))
    weights = []
    for rows in range(0, prompts.n_prompts, group):
        part_x, part_y = x[rows : rows + group], y[rows : rows + group]
        step = learning_rate / count
        gram = prefix_gram(part_x, sizes) * step[:, None, None]
        cross = prefix_cross(part_x, part_y, sizes) * step[:, None]
        if preconditioner is not None:
            gram, cross = preconditioner.to(gram) @ gram, cross @ preconditioner.to(gram).mT
        w = torch.zeros_like(cross)
        for _ in range(n_steps):
            w = w + cross - (gram @ w[..., None])[..., 0]
        weights.append(w)
    return torch.cat(weights)


def descent_matrix(
    gram: Tensor, count: Tensor, n_steps: int, learning_rate: float, preconditioner: Tensor
) -> Tensor:
    """Return H with w = H X^T y after `n_steps` steps; `gram` is X^T X (prompt, size, dim, dim), `count` is k."""
    step = (learning_rate / count)[:, None, None] * preconditioner
    total = torch.zeros_like(gram)
    for _ in range(n_steps):
        total = total + step - step @ (gram @ total)
    return total


def newton_inverse(gram: Tensor, n_iterations: int) -> Tensor:
    """Return the Newton-Schulz iterate for the (pseudo-)inverse of `gram`, (..., dim, dim).

    M_0 = S / |S|_F^2, M <- 2 M - M S M (Fu et al. 2310.17086, equation 6; any start alpha S with
    alpha < 2 / |S|^2 converges).
    """
    square = gram.square().sum((-1, -2), keepdim=True)
    inverse = gram / square.clamp_min(torch.finfo(gram.dtype).tiny)
    for _ in range(n_iterations):
        inverse = 2.0 * inverse - inverse @ (gram @ inverse)
    return inverse
