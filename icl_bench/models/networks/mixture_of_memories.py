"""Mixture of memories: a router sends each token to a few of several linear-attention memories."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, silu

from icl_bench.layers.convolution import ShortConvolution
from icl_bench.layers.head_axis import HeadNorm, head_width, merged_heads, split_heads
from icl_bench.layers.linear_recurrence import Steps, recurrence
from icl_bench.layers.mixing import Mixer
from icl_bench.layers.stack import Stack


class MixtureOfMemoriesMixer(Mixer):
    """M^m_t = M^m_{t-1} + k^m_t v^m_t^T where the router chose memory m; o_t = q_t (sum_m g^m_t M^m_t + shared memory).

    Every memory has its own maps to keys and values, half the width each.
    ValueError when `n_active` is not in 1..n_memories.
    """

    def __init__(
        self, width: int, n_heads: int, n_memories: int, n_active: int, shared_memory: bool, convolution: int
    ) -> None:
        super().__init__()
        channels = head_width(width, n_heads)
        if not 1 <= n_active <= n_memories:
            raise ValueError(f"n_active: expected 1 to n_memories = {n_memories}, got {n_active}")
        if channels % 2:
            raise ValueError(f"n_heads: expected an even quotient of the width {width}, got {channels}")
        self.n_heads, self.n_active, self.shared_memory = n_heads, n_active, shared_memory
        self.n_stores = n_memories + shared_memory
        self.widths = [width // 2, self.n_stores * width // 2, self.n_stores * width // 2]
        self.router = nn.Linear(width, n_memories, bias=False)
        self.project_in = nn.Linear(width, sum(self.widths))
        self.convolution = ShortConvolution(width, convolution) if convolution else None
        self.norm = HeadNorm(channels // 2)
        self.project_out = nn.Linear(width // 2, width)

    def forward(self, tokens: Tensor, queries: Tensor | None, seen: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """As of Mixer."""
        if self.convolution is not None:
            tokens, queries = self.convolution(tokens, queries, seen)
        own = None if queries is None else self._steps(queries)
        mixed, answers = recurrence(self._steps(tokens), own, seen)
        return self._merged(mixed), None if answers is None else self._merged(answers)

    def _steps(self, tokens: Tensor) -> Steps:
        """Return the steps with each memory of each head as a head of its own: (prompt, store * head, token, channel).

        A memory that was not chosen is written a zero key and read with weight zero.
        """
        query, key, value = self.project_in(tokens).split(self.widths, dim=-1)
        weights = self._weights(tokens)  # (prompt, token, store)
        stores = weights.mT[..., None].repeat_interleave(self.n_heads, dim=1)  # (prompt, store * head, token, 1)
        asked = split_heads(silu(query), self.n_heads).repeat(1, self.n_stores, 1, 1)
        written = split_heads(silu(key), self.n_stores * self.n_heads)
        return Steps(
            stores * asked, (stores > 0).to(written) * written, split_heads(value, self.n_stores * self.n_heads)
        )

    def _weights(self, tokens: Tensor) -> Tensor:
        """Return how much each memory counts, (prompt, token, store): 0 if not chosen, 1 for the shared memory."""
        scores = self.router(tokens)  # (prompt, token, memory)
        best, chosen = scores.topk(self.n_active, dim=-1)  # (prompt, token, n_active)
        weights = torch.zeros_like(scores).scatter(-1, chosen, best.softmax(dim=-1))
        return pad(weights, (0, 1), value=1.0) if self.shared_memory else weights

    def _merged(self, heads: Tensor) -> Tensor:
        """(prompt, store * head, token, channel) -> (prompt, token, width): summed over stores, norm, projection."""
        read = heads.reshape(heads.shape[0], self.n_stores, self.n_heads, *heads.shape[2:]).sum(dim=1)
        merged: Tensor = self.project_out(merged_heads(self.norm(read)))
        return merged


@dataclass(frozen=True, kw_only=True)
class MixtureOfMemories(Stack):
    """Mixture of memories (Du et al. 2502.13685, section 3) with linear attention as each memory's update.

    The router takes the `n_active` best of `n_memories` for each token, weighted by a softmax over the chosen scores;
    the others keep their state. shared_memory: one more that every token writes and reads with weight 1. No loss
    balances the router's load. convolution: tokens in the short causal convolution before the projections, 0 for none;
    without it the state knows no order. hidden: 3 * width unless given, as memories take parameters of their own.
    """

    n_memories: int = 4
    n_active: int = 2
    shared_memory: bool = True
    convolution: int = 4

    def __post_init__(self) -> None:
        if self.hidden is None:
            object.__setattr__(self, "hidden", 3 * self.width)

    def mixer(self, layer: int) -> MixtureOfMemoriesMixer:
        """Return the mixer; every block has the same."""
        return MixtureOfMemoriesMixer(
            self.width, self.n_heads, self.n_memories, self.n_active, self.shared_memory, self.convolution
        )


MODEL = MixtureOfMemories
