"""Copy and match: the two-layer induction circuit, its first stage learned or given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from icl_bench.layers.architecture import Architecture
from icl_bench.layers.attention import CausalAttention
from icl_bench.layers.decoder import Decoder, initialise_as_gpt2
from icl_bench.layers.heads import MeanHead
from icl_bench.layers.layout import n_inputs
from icl_bench.layers.learner import Learner, SequenceLearner
from icl_bench.layers.matching import Matching
from icl_bench.layers.positions import Positions


@dataclass(frozen=True, kw_only=True)
class CopyMatch(Architecture):
    """An attention-only network just large enough for an induction head (Olsson et al. 2209.11895).

    The circuit: a previous-token head copies x_i into the token of y_i, then a second head matches the query with
    the copied inputs and copies the label of what it matched ("pattern matching and copy-past", as Fu et al.
    2309.06054 put it; the networks here are ours, not theirs). copying: learned (two layers of softmax attention and
    nothing else, on x_1, y_1, x_2, y_2, ...; whether they become that circuit is up to training) or given (inputs
    and labels already stand together; only the matching layer is left, which is kernel regression with `n_heads`
    learned kernels of `width` dimensions in all; `positions` and `n_positions` play no part).
    """

    copying: Literal["learned", "given"] = "learned"
    width: int = 64
    n_heads: int = 2
    positions: Positions = "learned"
    n_positions: int = 101  # examples, the query included

    def __post_init__(self) -> None:
        if self.n_heads < 1 or self.width < 1 or self.width % self.n_heads:
            raise ValueError(f"n_heads: expected a divisor of the width {self.width}, got {self.n_heads}")

    def build(self, n_dims: int) -> Learner:
        """Return the network."""
        if self.copying == "given":
            return Matching(n_dims, self.width // self.n_heads, self.n_heads)
        head = MeanHead()
        mixers = [CausalAttention(self.width, self.n_heads, self.positions) for _ in range(2)]
        n_tokens = 2 * self.n_positions if self.positions == "learned" else 0
        inputs = n_inputs("interleaved", n_dims)
        decoder = Decoder(inputs, self.width, head.n_outputs, mixers, hidden=0, n_positions=n_tokens)
        initialise_as_gpt2(decoder)
        return SequenceLearner(decoder, "interleaved", head)


MODEL = CopyMatch
