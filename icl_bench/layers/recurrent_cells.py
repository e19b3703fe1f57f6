"""LSTM and GRU as mixers: torch's own layers over the context, one batched step for all queries."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from icl_bench.layers.mixing import Mixer


class GatedRecurrentUnit(Mixer):
    """One GRU layer (Cho et al. 1406.1078); what it says at a token is its state after it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cell = nn.GRU(width, width, batch_first=True)

    def forward(self, tokens: Tensor, queries: Tensor | None, seen: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """As of Mixer."""
        mixed = self.cell(tokens)[0] if tokens.shape[1] else tokens  # torch refuses an empty sequence
        if queries is None or seen is None:
            return mixed, None
        before = pad(mixed, (0, 0, 1, 0)).index_select(1, seen)  # (prompt, query, width)
        answers = self.cell(queries.flatten(0, 1)[:, None], before.flatten(0, 1)[None].contiguous())[0]
        return mixed, answers.view_as(queries)


class LongShortTermMemory(Mixer):
    """One LSTM layer (Hochreiter & Schmidhuber 1997, with the forget gate that torch's has)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cell = nn.LSTM(width, width, batch_first=True)

    def forward(self, tokens: Tensor, queries: Tensor | None, seen: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """As of Mixer; the context is run in segments, as torch shows the cell's memory at a segment's end alone."""
        if queries is None or seen is None:
            return (self.cell(tokens)[0] if tokens.shape[1] else tokens), None
        places, which = torch.unique(seen, return_inverse=True)
        hidden = memory = tokens.new_zeros(1, len(tokens), tokens.shape[2])  # (1, prompt, width)
        mixed, kept, done = [], [], 0
        for place in [*places.tolist(), tokens.shape[1]]:
            if place > done:
                said, (hidden, memory) = self.cell(tokens[:, done:place], (hidden, memory))
                mixed.append(said)
            kept.append((hidden[0], memory[0]))
            done = place
        state = [torch.stack(part, dim=1)[:, which] for part in zip(*kept, strict=True)]  # each (prompt, query, width)
        packed = tuple(part.flatten(0, 1)[None].contiguous() for part in state)
        answers = self.cell(queries.flatten(0, 1)[:, None], packed)[0]
        return torch.cat(mixed, dim=1) if mixed else tokens, answers.view_as(queries)
