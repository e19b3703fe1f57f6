"""Short causal convolution, one filter a channel: each token is mixed with the few before it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


class ShortConvolution(nn.Module):
    """Depthwise causal convolution over `kernel` tokens, without activation (Mamba 2312.00752, figure 3).

    y_t = bias + sum_{i < kernel} weight_{kernel - 1 - i} * x_{t - i}, with zeros before the first token. Queries mean
    what they mean to a Mixer: query j stands behind the first `seen[j]` tokens. ValueError when `kernel` is below 1.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        if kernel < 1:
            raise ValueError(f"kernel: expected at least 1 token, got {kernel}")
        self.kernel = kernel
        bound = 1 / math.sqrt(kernel)  # as torch's own depthwise convolution draws its filters
        # Three axes, as in torch's convolution, so that what initialises the matrices of a stack leaves filters alone.
        self.weight = nn.Parameter(torch.empty(channels, 1, kernel).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(
        self, tokens: Tensor, queries: Tensor | None = None, seen: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return `tokens` (prompt, token, channel) and `queries` (prompt, query, channel) convolved."""
        taps = self.weight[:, 0].T  # (kernel, channel), the last is the token's own
        before = self._before(tokens, taps)  # (prompt, token + 1, channel)
        mixed = before[:, :-1] + taps[-1] * tokens
        if queries is None or seen is None:
            return mixed, None
        return mixed, before.index_select(1, seen) + taps[-1] * queries

    def _before(self, tokens: Tensor, taps: Tensor) -> Tensor:
        """Return bias plus what the tokens before each place give, also for the place behind the last token."""
        length = tokens.shape[1]
        padded = pad(tokens, (0, 0, self.kernel - 1, 0))  # (prompt, kernel - 1 + token, channel)
        before = self.bias.expand(tokens.shape[0], length + 1, -1)
        for tap in range(self.kernel - 1):
            before = torch.addcmul(before, padded[:, tap : tap + length + 1], taps[tap])
        return before
