"""TransNormer: linear attention with a fixed decay per head, a norm for the denominator, and a gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, silu

from icl_bench.layers.head_axis import head_width, merged_heads, split_heads
from icl_bench.layers.linear_recurrence import Steps, recurrence
from icl_bench.layers.mixing import Mixer
from icl_bench.layers.positions import alibi_slopes, rotary_tables, rotated
from icl_bench.layers.stack import Stack


class TransNormerMixer(Mixer):
    """norm(sum_{i <= t} lambda^(t - i) (q_t . k_i) v_i), gated; `log_decays` (head,) hold log(lambda) <= 0."""

    log_decays: Tensor

    def __init__(self, width: int, n_heads: int, log_decays: Tensor, gate: bool, rotary: bool) -> None:
        super().__init__()
        channels = head_width(width, n_heads)
        if rotary and channels % 2:
            raise ValueError(f"n_heads: expected an even quotient of the width {width} for rotary, got {channels}")
        self.n_heads, self.parts, self.rotary = n_heads, 4 if gate else 3, rotary
        self.project_in = nn.Linear(width, self.parts * width)
        self.project_out = nn.Linear(width, width)
        self.register_buffer("log_decays", log_decays, persistent=False)

    def forward(self, tokens: Tensor, queries: Tensor | None, seen: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """As of Mixer."""
        steps, gate = self._steps(tokens, torch.arange(tokens.shape[1], device=tokens.device))
        own, own_gate = (None, None) if queries is None or seen is None else self._steps(queries, seen)
        mixed, answers = recurrence(steps, own, seen)
        return self._merged(mixed, gate), None if answers is None else self._merged(answers, own_gate)

    def _steps(self, tokens: Tensor, where: Tensor) -> tuple[Steps, Tensor | None]:
        """Return the recurrence's steps at positions `where` (token,), and the output gate (prompt, token, width)."""
        parts = self.project_in(tokens).chunk(self.parts, dim=-1)
        query, key, value = (split_heads(part, self.n_heads) for part in parts[:3])
        query, key = silu(query), silu(key)
        if self.rotary:
            tables = rotary_tables(where, query.shape[-1], query)
            query, key = rotated(query, tables), rotated(key, tables)
        decay = self.log_decays[None, :, None, None].expand(1, -1, tokens.shape[1], 1)
        return Steps(query, key, value, decay), parts[3] if len(parts) == 4 else None

    def _merged(self, heads: Tensor, gate: Tensor | None) -> Tensor:
        """(prompt, head, token, head_width) -> (prompt, token, width): norm over the width, gate, projection."""
        merged = merged_heads(heads)
        merged = rms_norm(merged, merged.shape[-1:], eps=1e-5)
        mixed: Tensor = self.project_out(merged if gate is None else gate * merged)
        return mixed


@dataclass(frozen=True, kw_only=True)
class TransNormer(Stack):
    """NormAttention (Qin et al. 2210.10340, section 4.1) with TransNormerLLM's decay and gate (2307.14995, section 3).

    Head h of layer l multiplies its state by exp(-s_h (1 - l / (n_layers - 1))) a token, s_h = 2^(-8 h / n_heads): the
    slopes of ALiBi, and no decay in the last layer, so that memory lengthens with depth. SiLU on queries and keys, and
    a root-mean-square norm without weights where softmax has its denominator. gate: multiply by a linear map of the
    token. positions: rotary (2104.09864) turns queries and keys in the first layer alone, where TransNormerLLM has its
    own relative rotation (LRPE); none leaves order to the decay.
    """

    gate: bool = True
    positions: Literal["rotary", "none"] = "rotary"

    def mixer(self, layer: int) -> TransNormerMixer:
        """Return the mixer of block `layer`, whose decay depends on its depth."""
        depth = layer / max(1, self.n_layers - 1)
        log_decays: Tensor = -alibi_slopes(self.n_heads).to(torch.get_default_dtype()) * (1 - depth)  # (head,)
        return TransNormerMixer(
            self.width, self.n_heads, log_decays, self.gate, self.positions == "rotary" and layer == 0
        )


MODEL = TransNormer
