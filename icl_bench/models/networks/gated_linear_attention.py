"""Gated linear attention: each key channel forgets at a rate that the token chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import logsigmoid, silu

from icl_bench.layers.head_axis import HeadNorm, head_width, merged_heads, split_heads
from icl_bench.layers.linear_recurrence import Steps, recurrence
from icl_bench.layers.mixing import Mixer
from icl_bench.layers.stack import Stack

Gate = Literal["low_rank", "pooled_keys"]
_TEMPERATURE = 16.0  # alpha = sigmoid(.)^(1 / 16): slow forgetting (2312.06635, section 4.4)
_RANK = 16  # of the gate's map (2312.06635, section 4.4)


class GatedLinearAttentionMixer(Mixer):
    """S_t = diag(alpha_t) S_{t-1} + k_t v_t^T with keys half as wide as values, a norm on each head, a SiLU gate."""

    def __init__(self, width: int, n_heads: int, gate: Gate) -> None:
        super().__init__()
        channels = head_width(width, n_heads)
        if channels % 2:
            raise ValueError(f"n_heads: expected an even quotient of the width {width}, got {channels}")
        self.n_heads, self.widths = n_heads, [width // 2, width // 2, width, width]
        self.project_in = nn.Linear(width, sum(self.widths))
        self.forget = (
            nn.Sequential(nn.Linear(width, _RANK, bias=False), nn.Linear(_RANK, width // 2))
            if gate == "low_rank"
            else None
        )
        self.norm = HeadNorm(channels)
        self.project_out = nn.Linear(width, width)

    def forward(self, tokens: Tensor, queries: Tensor | None, seen: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """As of Mixer."""
        steps, gate = self._steps(tokens)
        if queries is None:
            return self._merged(recurrence(steps, None, None)[0], gate), None
        own, own_gate = self._steps(queries)
        mixed, answers = recurrence(steps, own, seen)
        return self._merged(mixed, gate), None if answers is None else self._merged(answers, own_gate)

    def _steps(self, tokens: Tensor) -> tuple[Steps, Tensor]:
        """Return the recurrence's steps and the output gate, (prompt, token, width)."""
        query, key, value, gate = self.project_in(tokens).split(self.widths, dim=-1)
        logits = key if self.forget is None else self.forget(tokens)  # (prompt, token, width // 2)
        log_decay = logsigmoid(logits) / _TEMPERATURE
        heads = (split_heads(part, self.n_heads) for part in (query, key, value, log_decay))
        return Steps(*heads), silu(gate)

    def _merged(self, heads: Tensor, gate: Tensor) -> Tensor:
        """(prompt, head, token, head_width) -> (prompt, token, width): norm, output gate, projection."""
        merged: Tensor = self.project_out(gate * merged_heads(self.norm(heads)))
        return merged


@dataclass(frozen=True, kw_only=True)
class GatedLinearAttention(Stack):
    """Gated linear attention (Yang et al. 2312.06635, section 4): alpha_t = sigmoid(...)^(1/16), one a key channel.

    gate: "low_rank" maps the token through 16 channels to the gate, as published there. "pooled_keys" is the gate of
    Liger (2503.01496, section 3.2), which turns a pretrained transformer into this recurrence without new weights: the
    key, averaged to the gate's width, is the gate's argument. Here that width is the key's own, as it is in Liger, so
    the average is the key itself: what a token writes and what it makes the state forget are tied, channel by channel.
    Liger's other halves, softmax feature maps and a sliding window of attention beside, are not part of this.
    """

    gate: Gate = "low_rank"

    def mixer(self, layer: int) -> GatedLinearAttentionMixer:
        """Return the mixer; every block has the same."""
        return GatedLinearAttentionMixer(self.width, self.n_heads, self.gate)


MODEL = GatedLinearAttention
