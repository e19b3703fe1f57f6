"""An architecture that is a stack of equal blocks around one kind of token mixer."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from icl_bench.layers.architecture import Architecture
from icl_bench.layers.decoder import Decoder, initialise_as_gpt2
from icl_bench.layers.heads import HeadName, make_head
from icl_bench.layers.layout import Layout, n_inputs
from icl_bench.layers.learner import SequenceLearner
from icl_bench.layers.mixing import Mixer


@dataclass(frozen=True, kw_only=True)
class Stack(Architecture):
    """Blocks of a mixer and a feed-forward network, initialised as GPT-2 is, without a table of positions.

    hidden: width inside the feed-forward network, 4 * width unless given; 0 leaves it out.
    """

    n_layers: int = 3
    width: int = 64
    n_heads: int = 2
    hidden: int | None = None
    layout: Layout = "interleaved"
    head: HeadName = "mean"

    @abstractmethod
    def mixer(self, layer: int) -> Mixer:
        """Return the mixer of block `layer`, counted from 0."""

    def build(self, n_dims: int) -> SequenceLearner:
        """Return the network for covariates of `n_dims` dimensions."""
        head = make_head(self.head, n_dims)
        mixers = [self.mixer(layer) for layer in range(self.n_layers)]
        hidden = 4 * self.width if self.hidden is None else self.hidden
        decoder = Decoder(n_inputs(self.layout, n_dims), self.width, head.n_outputs, mixers, hidden)
        initialise_as_gpt2(decoder)
        return SequenceLearner(decoder, self.layout, head)
