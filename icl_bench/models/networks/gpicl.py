"""GPICL: a causal transformer in which each input stands in one token with the label before its own."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.layers.architecture import Architecture
from icl_bench.layers.attention import CausalAttention
from icl_bench.layers.decoder import Decoder, initialise_as_gpt2
from icl_bench.layers.heads import HeadName, make_head
from icl_bench.layers.layout import n_inputs
from icl_bench.layers.learner import SequenceLearner
from icl_bench.layers.positions import Positions


@dataclass(frozen=True, kw_only=True)
class GPICL(Architecture):
    """The black-box learner of Kirsch et al. (2212.04458): tokens (x_1, 0), (x_2, y_1), (x_3, y_2), ...

    Half as many tokens as with x and y taking turns; each answer is read at its own input, and one causal pass gives
    all. Their classification output becomes a regression head here, and the label enters as a number. positions:
    learned (for `n_positions` examples, the query included), none, rotary or alibi.
    """

    n_layers: int = 3
    width: int = 64
    n_heads: int = 2
    positions: Positions = "learned"
    n_positions: int = 101
    head: HeadName = "mean"

    def build(self, n_dims: int) -> SequenceLearner:
        """Return the network, initialised as GPT-2 is."""
        head = make_head(self.head, n_dims)
        mixers = [CausalAttention(self.width, self.n_heads, self.positions) for _ in range(self.n_layers)]
        n_positions = self.n_positions if self.positions == "learned" else 0
        inputs = n_inputs("shifted", n_dims)
        decoder = Decoder(inputs, self.width, head.n_outputs, mixers, 4 * self.width, n_positions)
        initialise_as_gpt2(decoder)
        return SequenceLearner(decoder, "shifted", head)


MODEL = GPICL
