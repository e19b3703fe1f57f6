"""Sums over the first k examples of a prompt, for every context size k at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def _at_sizes(cumulative: Tensor, sizes: Sequence[int]) -> Tensor:
    """Pick sums over the first k rows, k in `sizes` (0 gives zeros): (prompt, size, ...)."""
    padded = torch.cat([torch.zeros_like(cumulative[:, :1]), cumulative], dim=1)
    return padded[:, torch.tensor(list(sizes), device=cumulative.device)]


def prefix_cross(x: Tensor, y: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return sum_{i<k} x_i y_i for k in `sizes`: x (prompt, context, dim), y (prompt, context) -> (prompt, size, dim)."""
    return _at_sizes((x * y[:, :, None]).cumsum(1), sizes)


def prefix_labels(y: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return sum_{i<k} y_i for k in `sizes`: (prompt, size)."""
    return _at_sizes(y.cumsum(1), sizes)


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
