"""Mamba: a selective state space, which decides at each token what to keep, at a cost linear in the context."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.layers.architecture import Architecture
from icl_bench.layers.decoder import Decoder
from icl_bench.layers.heads import HeadName, make_head
from icl_bench.layers.layout import Layout, n_inputs
from icl_bench.layers.learner import SequenceLearner
from icl_bench.layers.selective_state_space import SelectiveStateSpace


@dataclass(frozen=True, kw_only=True)
class Mamba(Architecture):
    """Mamba (Gu & Dao 2312.00752): blocks of one mixer, without feed-forward network and without positions.

    n_state: states a channel; expand: channels over width; convolution: tokens in the short causal convolution. The
    width of 80 gives the weights of GPT-2 tiny. Layer norm stands where Mamba has a root-mean-square norm.
    """

    n_layers: int = 3
    width: int = 80
    n_state: int = 16
    expand: int = 2
    convolution: int = 4
    layout: Layout = "interleaved"
    head: HeadName = "mean"

    def build(self, n_dims: int) -> SequenceLearner:
        """Return the network, initialised as Mamba is."""
        head = make_head(self.head, n_dims)
        mixers = [
            SelectiveStateSpace(self.width, self.n_state, self.expand, self.convolution) for _ in range(self.n_layers)
        ]
        for mixer in mixers:
            mixer.initialise(self.n_layers)
        decoder = Decoder(n_inputs(self.layout, n_dims), self.width, head.n_outputs, mixers, 0)
        return SequenceLearner(decoder, self.layout, head)


MODEL = Mamba
