"""The causal stack: tokens read in, blocks of mixing and a feed-forward network, tokens read out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from icl_bench.layers.gelu import TanhGelu
from icl_bench.layers.mixing import Mixer


class FeedForward(nn.Module):
    """Two linear maps with GELU (tanh form) between them, as in GPT-2."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.project_in = nn.Linear(width, hidden)
        self.project_out = nn.Linear(hidden, width)
        self.activation = TanhGelu()

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the same shape, (..., width)."""
        result: Tensor = self.project_out(self.activation(self.project_in(tokens)))
        return result


class DecoderBlock(nn.Module):
    """x + mixer(norm(x)), then x + feed_forward(norm(x)); without the second half when `hidden` is 0."""

    def __init__(self, mixer: Mixer, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mixer = mixer
        self.norm_forward = nn.LayerNorm(width) if hidden else None
        self.feed_forward = FeedForward(width, hidden) if hidden else None

    def forward(self, tokens: Tensor, queries: Tensor | None, seen: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return tokens and queries in the same shapes."""
        given = None if queries is None else self.norm(queries)
        mixed, answers = self.mixer(self.norm(tokens), given, seen)
        tokens = self._fed(tokens + mixed)
        return tokens, None if queries is None or answers is None else self._fed(queries + answers)

    def answered(self, tokens: Tensor, queries: Tensor | None, seen: Tensor) -> Tensor:
        """Return the queries alone, (prompt, query, width), or without any the tokens at `seen`: for the last block.

        What nobody reads after it is left out: the other tokens' feed-forward, and their share of the mixing where the
        mixer can tell it apart.
        """
        if queries is None and not self.mixer.answers_alone:
            mixed, _ = self.mixer(self.norm(tokens), None, None)
            return self._fed((tokens + mixed)[:, seen])
        asked = tokens[:, seen] if queries is None else queries
        return self._fed(asked + self.mixer.answers(self.norm(tokens), self.norm(asked), seen))

    def _fed(self, tokens: Tensor) -> Tensor:
        if self.feed_forward is None or self.norm_forward is None:
            return tokens
        fed: Tensor = tokens + self.feed_forward(self.norm_forward(tokens))
        return fed


class Decoder(nn.Module):
    """A causal token network: (prompt, token, n_inputs) -> (prompt, token, n_outputs).

    With `n_positions`, a learned embedding of the position is added; a longer sequence is refused.
    """

    def __init__(
        self, n_inputs: int, width: int, n_outputs: int, mixers: Sequence[Mixer], hidden: int, n_positions: int = 0
    ) -> None:
        super().__init__()
        if not mixers or width < 1:
            raise ValueError(f"expected at least 1 layer and a width >= 1, got {len(mixers)} layers, width {width}")
        self.read_in = nn.Linear(n_inputs, width)
        self.positions = nn.Embedding(n_positions, width) if n_positions else None
        self.blocks = nn.ModuleList(DecoderBlock(mixer, width, hidden) for mixer in mixers)
        self.norm = nn.LayerNorm(width)
        self.read_out = nn.Linear(width, n_outputs)

    def forward(self, tokens: Tensor, queries: Tensor | None, seen: Tensor) -> Tensor:
        """Return what is read out at each query, (prompt, query, n_outputs).

        Query j sees the first `seen[j]` of `tokens` (prompt, token, n_inputs) and itself; without `queries`, query j IS
        token `seen[j]`. ValueError when a position has no embedding.
        """
        self._check_length(tokens.shape[1] + (queries is not None))  # a query may stand behind the last token
        tokens = self._embedded(tokens, torch.arange(tokens.shape[1], device=tokens.device))
        queries = None if queries is None else self._embedded(queries, seen)
        *first, last = self.blocks
        for block in first:
            tokens, queries = block(tokens, queries, seen)
        asked: Tensor = last.answered(tokens, queries, seen)  # type: ignore[operator]
        answers: Tensor = self.read_out(self.norm(asked))
        return answers

    def _check_length(self, length: int) -> None:
        """Refuse a sequence with more tokens, the query's included, than there are positions."""
        if self.positions is not None and length > self.positions.num_embeddings:
            raise ValueError(
                f"a prompt has {length} tokens, the network {self.positions.num_embeddings} positions; expected a"
                " larger n_positions, positions other than 'learned', or shorter prompts"
            )

    def _embedded(self, tokens: Tensor, where: Tensor) -> Tensor:
        embedded: Tensor = self.read_in(tokens)
        return embedded if self.positions is None else embedded + self.positions(where)


def initialise_as_gpt2(decoder: Decoder) -> None:
    """Draw weights as GPT-2 does: N(0, 0.02^2), biases 0, what ends in a residual sum over sqrt(2 n_layers).

    Read-in and read-out keep torch's own initialisation, as in Garg et al. (2208.01066).
    """
    for name, parameter in decoder.blocks.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif parameter.ndim == 2:
            into_sum = name.endswith("project_out.weight")
            nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * len(decoder.blocks)) if into_sum else 0.02)
    if decoder.positions is not None:
        nn.init.normal_(decoder.positions.weight, std=0.02)
