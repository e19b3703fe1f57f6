"""Sums over the first k examples of a prompt, for every context size k at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def sum_at_sizes(rows: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return sums over the first k rows for k in `sizes`: (prompt, context, ...) -> (prompt, size, ...)."""
    sums = rows.new_empty(rows.shape[0], rows.shape[1] + 1, *rows.shape[2:])
    sums[:, 0] = 0.0
    torch.cumsum(rows, dim=1, out=sums[:, 1:])
    if tuple(sizes) == tuple(range(rows.shape[1] + 1)):
        return sums
    return sums[:, torch.tensor(list(sizes), device=rows.device)]


def prefix_cross(x: Tensor, y: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return sum_{i<k} x_i y_i for k in `sizes`, (prompt, size, dim); x (prompt, context, dim), y (prompt, context)."""
    return sum_at_sizes(x * y[:, :, None], sizes)


def prefix_labels(y: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return sum_{i<k} y_i for k in `sizes`: (prompt, size)."""
    return sum_at_sizes(y, sizes)


def prefix_gram(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return X_k^T X_k for k in `sizes`: (prompt, size, dim, dim).

    Adds up the stretches between asked sizes, so its memory is that of the answer.
    """
    grams, total, start = [], x.new_zeros(x.shape[0], x.shape[2], x.shape[2]), 0
    for size in sizes:
        stretch = x[:, start:size]
        total = total + stretch.mT @ stretch
        grams.append(total)
        start = size
    return torch.stack(grams, dim=1)
