"""The head axis: channels split among heads, merged again, and normalised within each head."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm


def split_heads(channels: Tensor, n_heads: int) -> Tensor:
    """(prompt, token, head * channel) -> (prompt, head, token, channel)."""
    n_prompts, n_tokens, width = channels.shape
    return channels.reshape(n_prompts, n_tokens, n_heads, width // n_heads).transpose(1, 2)


def merged_heads(heads: Tensor) -> Tensor:
    """(prompt, head, token, channel) -> (prompt, token, head * channel)."""
    return heads.transpose(1, 2).flatten(2)


def head_width(width: int, n_heads: int) -> int:
    """Return the channels of a head; ValueError when the heads do not divide the width."""
    if n_heads < 1 or width % n_heads:
        raise ValueError(f"n_heads: expected a divisor of the width {width}, got {n_heads}")
    return width // n_heads


class HeadNorm(nn.Module):
    """Root-mean-square norm over the channels of each head (Zhang & Sennrich 1910.07467, equation 4).

    What a linear recurrence reads grows with the context and has no denominator; this norm stands in for it.
    """

    def __init__(self, channels: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))  # named as in checkpoints; that of `nn.RMSNorm` is `weight`
        self.epsilon = epsilon

    def forward(self, heads: Tensor) -> Tensor:
        """Return the same shape, (prompt, head, token, channel)."""
        return rms_norm(heads, self.scale.shape, self.scale, self.epsilon)
