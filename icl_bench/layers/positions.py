"""How attention knows where a token stands: rotary angles and linear biases."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Positions = Literal["learned", "none", "rotary", "alibi"]


def rotary_tables(positions: Tensor, head_width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return cosines and sines, each (token, head_width // 2), of the rotary angles (Su et al. 2104.09864, eq. 15)."""
    frequencies = 10_000.0 ** (-torch.arange(0, head_width, 2, device=positions.device) / head_width)
    angles = positions[:, None].to(frequencies) * frequencies
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def rotated(heads: Tensor, tables: tuple[Tensor, Tensor]) -> Tensor:
    """Return `heads` (prompt, head, token, head_width) turned by the angles of their positions."""
    cosine, sine = tables
    first, second = heads.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)


def alibi_slopes(n_heads: int) -> Tensor:
    """Return each head's slope, (head,): 2^(-8/n), 2^(-16/n), ... (Press et al. 2108.12409, section 3)."""
    return 2.0 ** (-8.0 * torch.arange(1, n_heads + 1) / n_heads)
