"""LSTM: gates and a memory cell, the recurrent network that learns in context without attention."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.layers.architecture import Architecture
from icl_bench.layers.decoder import Decoder
from icl_bench.layers.heads import HeadName, make_head
from icl_bench.layers.layout import Layout, n_inputs
from icl_bench.layers.learner import SequenceLearner
from icl_bench.layers.recurrent_cells import LongShortTermMemory


@dataclass(frozen=True, kw_only=True)
class LSTM(Architecture):
    """A stack of LSTM layers, each inside a norm and a residual sum, without feed-forward networks.

    Weights keep torch's own initialisation. The width of 80 gives the weights of GPT-2 tiny.
    """

    n_layers: int = 3
    width: int = 80
    layout: Layout = "interleaved"
    head: HeadName = "mean"

    def build(self, n_dims: int) -> SequenceLearner:
        """Return the network for covariates of `n_dims` dimensions."""
        head = make_head(self.head, n_dims)
        mixers = [LongShortTermMemory(self.width) for _ in range(self.n_layers)]
        decoder = Decoder(n_inputs(self.layout, n_dims), self.width, head.n_outputs, mixers, 0)
        return SequenceLearner(decoder, self.layout, head)


MODEL = LSTM
