"""Softmax attention, causal over the context; queries attend to their prefix and to themselves."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

from icl_bench.layers.mixing import Mixer
from icl_bench.layers.positions import Positions, alibi_slopes, rotary_tables, rotated


class CausalAttention(Mixer):
    """Multi-head softmax attention as in GPT-2, with the position schemes that act inside attention."""

    slopes: Tensor
    answers_alone = True

    def __init__(self, width: int, n_heads: int, positions: Positions = "none") -> None:
        super().__init__()
        if width % n_heads or (positions == "rotary" and width // n_heads % 2):
            raise ValueError(f"n_heads: expected a divisor of the width {width} (an even quotient for rotary)")
        self.n_heads, self.positions = n_heads, positions
        self.project_in = nn.Linear(width, 3 * width)
        self.project_out = nn.Linear(width, width)
        self.register_buffer("slopes", alibi_slopes(n_heads), persistent=False)

    def forward(self, tokens: Tensor, queries: Tensor | None, seen: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """As of Mixer."""
        length = tokens.shape[1]
        where = torch.arange(length, device=tokens.device)
        q, k, v = self._heads(tokens, where)
        bias = self._bias(where, where) if self.positions == "alibi" else None
        mixed = self._merged(scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=bias is None))
        if queries is None or seen is None:
            return mixed, None
        return mixed, self._answered((k, v), where, queries, seen)

    def answers(self, tokens: Tensor, queries: Tensor, seen: Tensor) -> Tensor:
        """As of Mixer; tokens give keys and values only."""
        where = torch.arange(tokens.shape[1], device=tokens.device)
        return self._answered(self._heads(tokens, where, of_queries=False)[1:], where, queries, seen)

    def _answered(self, context: tuple[Tensor, Tensor], where: Tensor, queries: Tensor, seen: Tensor) -> Tensor:
        """Return (prompt, query, width): each query attends to its prefix of the context and to itself."""
        k, v = context
        own_q, own_k, own_v = self._heads(queries, seen)
        itself = torch.eye(len(seen), dtype=torch.bool, device=seen.device)
        visible = torch.cat([where < seen[:, None], itself], dim=1)  # (query, context + query)
        mask = visible
        if self.positions == "alibi":
            distance = self._bias(seen, torch.cat([where, seen]), causal=False)
            mask = distance.masked_fill(~visible, float("-inf"))
        answers = scaled_dot_product_attention(
            own_q, torch.cat([k, own_k], dim=2), torch.cat([v, own_v], dim=2), attn_mask=mask
        )
        return self._merged(answers)

    def _heads(self, tokens: Tensor, where: Tensor, of_queries: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values, each (prompt, head, token, head_width); keys for queries when unasked."""
        n_prompts, length, width = tokens.shape
        first = 0 if of_queries else width
        projected = linear(tokens, self.project_in.weight[first:], self.project_in.bias[first:])
        split = projected.view(n_prompts, length, 3 if of_queries else 2, self.n_heads, width // self.n_heads)
        *q, k, v = split.permute(2, 0, 3, 1, 4).unbind(0)
        if self.positions == "rotary":
            tables = rotary_tables(where, width // self.n_heads, k)
            q, k = [rotated(heads, tables) for heads in q], rotated(k, tables)
        return q[0] if q else k, k, v

    def _bias(self, of: Tensor, at: Tensor, causal: bool = True) -> Tensor:
        """Return -slope * distance, (head, of, at), minus infinity where `at` is later."""
        distance = (of[:, None] - at[None, :]).to(self.slopes.dtype)
        bias = -self.slopes[:, None, None] * distance
        return bias.masked_fill(distance < 0, float("-inf")) if causal else bias

    def _merged(self, heads: Tensor) -> Tensor:
        """(prompt, head, token, head_width) -> (prompt, token, width), projected."""
        merged: Tensor = self.project_out(heads.transpose(1, 2).flatten(2))
        return merged
