"""Hedgehog: linear attention with a learned feature map that mimics softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from icl_bench.layers.head_axis import head_width, merged_heads, split_heads
from icl_bench.layers.linear_recurrence import Steps, recurrence
from icl_bench.layers.mixing import Mixer
from icl_bench.layers.positions import rotary_tables, rotated
from icl_bench.layers.stack import Stack

HedgehogPositions = Literal["rotary", "none"]


class SoftmaxFeatures(nn.Module):
    """phi(x) = [softmax(W x), softmax(-W x)] with one learned W a head: positive, spiky and bounded by 1."""

    def __init__(self, n_heads: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(channels).expand(n_heads, -1, -1).clone())  # (head, key, feature)

    def forward(self, heads: Tensor) -> Tensor:
        """(prompt, head, token, key) -> (prompt, head, token, 2 * key)."""
        scores = heads @ self.weight
        return torch.cat([scores.softmax(dim=-1), (-scores).softmax(dim=-1)], dim=-1)


class HedgehogMixer(Mixer):
    """o_t = sum_{i <= t} (phi(q_t) . phi(k_i)) v_i / sum_{i <= t} phi(q_t) . phi(k_i)."""

    def __init__(self, width: int, n_heads: int, positions: HedgehogPositions) -> None:
        super().__init__()
        channels = head_width(width, n_heads)
        if positions == "rotary" and channels % 2:
            raise ValueError(f"n_heads: expected an even quotient of the width {width} for rotary, got {channels}")
        self.n_heads, self.positions = n_heads, positions
        self.project_in = nn.Linear(width, 3 * width)
        self.query_features = SoftmaxFeatures(n_heads, channels)
        self.key_features = SoftmaxFeatures(n_heads, channels)
        self.project_out = nn.Linear(width, width)

    def forward(self, tokens: Tensor, queries: Tensor | None, seen: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """As of Mixer."""
        where = torch.arange(tokens.shape[1], device=tokens.device)
        own = None if queries is None or seen is None else self._steps(queries, seen)
        mixed, answers = recurrence(self._steps(tokens, where), own, seen)
        return self._merged(mixed), None if answers is None else self._merged(answers)

    def _steps(self, tokens: Tensor, where: Tensor) -> Steps:
        parts = self.project_in(tokens).chunk(3, dim=-1)
        query, key, value = (split_heads(part, self.n_heads) for part in parts)
        if self.positions == "rotary":
            tables = rotary_tables(where, query.shape[-1], query)
            query, key = rotated(query, tables), rotated(key, tables)
        # A last value of 1 makes the denominator one more channel of what is read.
        return Steps(self.query_features(query), self.key_features(key), pad(value, (0, 1), value=1.0))

    def _merged(self, heads: Tensor) -> Tensor:
        """(prompt, head, token, head_width + 1) -> (prompt, token, width): divided, merged, projected."""
        merged: Tensor = self.project_out(merged_heads(heads[..., :-1] / heads[..., -1:]))
        return merged


@dataclass(frozen=True, kw_only=True)
class Hedgehog(Stack):
    """Linear attention with the learned feature map of Zhang et al. (2402.04347, section 4.2 and equation 6).

    The map starts as the identity, in the softmax form that cannot overflow, and is trained with the rest. positions:
    rotary (2104.09864), applied before the map, as in the transformers whose attention Hedgehog replaces; or none.
    """

    positions: HedgehogPositions = "rotary"

    def mixer(self, layer: int) -> HedgehogMixer:
        """Return the mixer; every block has the same."""
        return HedgehogMixer(self.width, self.n_heads, self.positions)


MODEL = Hedgehog
