"""What a token mixer must do: mix a causal context, and answer queries that each see a prefix of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn


class Mixer(nn.Module, ABC):
    """Mixes information across tokens, causally; the only part of a block that looks at more than one token.

    Queries are further tokens behind the context. Query j sees the first `seen[j]` context tokens and itself, stands
    at position `seen[j]`, and is seen by nothing. So one pass answers every context size: attention masks, a
    recurrence takes snapshots of its state. The answer must equal that of the sequence context[:seen[j]] + query
    (to rounding; the tests hold every architecture to it).
    """

    answers_alone: ClassVar[bool] = False
    """Whether `answers` spares the work on tokens that are not queries."""

    @abstractmethod
    def forward(self, tokens: Tensor, queries: Tensor | None, seen: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Mix `tokens` (prompt, token, width) and `queries` (prompt, query, width); `seen` is (query,), in 0..token.

        Returns both in the same shapes; the second is None when there are no queries.
        """

    def answers(self, tokens: Tensor, queries: Tensor, seen: Tensor) -> Tensor:
        """Mix the queries alone, (prompt, query, width); the tokens' own results are not asked for."""
        answers = self(tokens, queries, seen)[1]
        assert answers is not None
        return answers

    def __call__(self, tokens: Tensor, queries: Tensor | None, seen: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Run `forward`, typed."""
        mixed: tuple[Tensor, Tensor | None] = super().__call__(tokens, queries, seen)
        return mixed
