"""Sums over the first k tokens for every asked k, through which gradients flow."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad


def prefix_sums(rows: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return sums over the first k rows for k in `sizes`: (prompt, token, width) -> (prompt, size, width)."""
    sums = pad(rows[:, : max(sizes)].cumsum(dim=1), (0, 0, 1, 0))  # (prompt, 1 + longest, width), zeros first
    return sums[:, torch.tensor(list(sizes), device=rows.device)]


def counts(sizes: Sequence[int], like: Tensor) -> Tensor:
    """Return max(k, 1) for k in `sizes`, (size,): what a sum over k tokens is divided by."""
    return torch.tensor(list(sizes), dtype=like.dtype, device=like.device).clamp_min(1.0)
