"""A network that answers prompts: a decoder, the layout of its tokens, and its head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from icl_bench.laws.law import Parameters
from icl_bench.layers.decoder import Decoder
from icl_bench.layers.heads import Head
from icl_bench.layers.layout import Layout, sequence_of
from icl_bench.prompts import Prediction, PromptBatch

MICRO_BATCH = 64
"""Prompts in one forward pass of `predict`: fixed, so that answers do not depend on who asks."""


class Learner(nn.Module):
    """An in-context learner with trainable weights: PromptBatch -> (prompt, query, n_outputs) in one pass."""

    head: Head

    def answers(self, prompts: PromptBatch) -> Tensor:
        """Return the head's inputs at every query, (prompt, query, n_outputs)."""
        outputs: Tensor = self(prompts)
        return outputs

    @property
    def dtype(self) -> torch.dtype:
        """Number type of the weights."""
        return next(self.parameters()).dtype

    @torch.no_grad()
    def predict(self, prompts: PromptBatch) -> Prediction:
        """Answer all queries, `MICRO_BATCH` prompts at a time, in the weights' own number type."""
        parts = []
        for start in range(0, prompts.n_prompts, MICRO_BATCH):
            rows = prompts.select(slice(start, start + MICRO_BATCH))
            parts.append(self.head.prediction(self(rows.to(rows.query_x.device, self.dtype))))

        def joined(pieces: list[Tensor | None]) -> Tensor | None:
            kept = [piece for piece in pieces if piece is not None]
            return torch.cat(kept) if kept else None

        return Prediction(
            torch.cat([part.mean for part in parts]),
            joined([part.std for part in parts]),
            joined([part.quantiles for part in parts]),
            parts[0].levels,
        )


class SequenceLearner(Learner):
    """A learner that reads prompts as a sequence of tokens through a causal decoder."""

    def __init__(self, decoder: Decoder, layout: Layout, head: Head) -> None:
        super().__init__()
        self.decoder, self.layout, self.head = decoder, layout, head

    def forward(self, prompts: PromptBatch) -> Tensor:
        """Return (prompt, query, n_outputs), from one pass over the context whatever the context sizes."""
        sequence = sequence_of(prompts, self.layout)
        answers: Tensor = self.decoder(sequence.tokens, sequence.queries, sequence.seen)
        return answers

    def tail_index(self, parameters: Parameters, context_size: int) -> float:
        """Every moment of the squared error exists: the last layer norm bounds every answer, and f has them all."""
        return float("inf")
