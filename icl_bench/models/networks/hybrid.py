"""Hybrid: layers of different token mixers in one stack, such as MambaFormer's Mamba, attention, Mamba."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from icl_bench.layers.architecture import Architecture
from icl_bench.layers.attention import CausalAttention
from icl_bench.layers.decoder import Decoder, initialise_as_gpt2
from icl_bench.layers.heads import HeadName, make_head
from icl_bench.layers.layout import Layout, n_inputs
from icl_bench.layers.learner import SequenceLearner
from icl_bench.layers.mixing import Mixer
from icl_bench.layers.recurrent_cells import GatedRecurrentUnit, LongShortTermMemory
from icl_bench.layers.selective_state_space import SelectiveStateSpace
from icl_bench.layers.stable_state_space import StableStateSpace

Layer = Literal["mamba", "attention", "stable_ssm", "gru", "lstm"]


@dataclass(frozen=True, kw_only=True)
class Hybrid(Architecture):
    """One mixer a layer, in the order of `layers`, without positions: the recurrent ones tell order.

    The default is one layer of MambaFormer (Park et al. 2402.04248): Mamba in place of positions, then attention, then
    Mamba in place of the feed-forward network; more of its layers append ("attention", "mamba") each. hidden: width of
    a feed-forward network behind every mixer, 0 for none. n_state, expand and convolution are those of Mamba's layers.
    A stable_ssm layer has 2 * width states. ValueError when `layers` is empty. The width of 88 gives the
    weights of GPT-2 tiny.
    """

    layers: list[Layer] | tuple[Layer, ...] = ("mamba", "attention", "mamba")
    width: int = 88
    n_heads: int = 2
    hidden: int = 0
    n_state: int = 16
    expand: int = 2
    convolution: int = 4
    layout: Layout = "interleaved"
    head: HeadName = "mean"

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError("layers: expected at least one mixer, got none")
        object.__setattr__(self, "layers", tuple(self.layers))  # a list of a suite file would leave this without a hash

    def build(self, n_dims: int) -> SequenceLearner:
        """Return the network: attention and feed-forward networks initialised as GPT-2's, other mixers as their own."""
        head = make_head(self.head, n_dims)
        mixers = [self._mixer(layer) for layer in self.layers]
        decoder = Decoder(n_inputs(self.layout, n_dims), self.width, head.n_outputs, mixers, self.hidden)
        initialise_as_gpt2(decoder)
        for mixer in mixers:
            if isinstance(mixer, SelectiveStateSpace | StableStateSpace):
                mixer.initialise(len(mixers))
            elif isinstance(mixer, GatedRecurrentUnit | LongShortTermMemory):
                mixer.cell.reset_parameters()
        return SequenceLearner(decoder, self.layout, head)

    def _mixer(self, layer: Layer) -> Mixer:
        if layer == "mamba":
            return SelectiveStateSpace(self.width, self.n_state, self.expand, self.convolution)
        if layer == "attention":
            return CausalAttention(self.width, self.n_heads)
        if layer == "stable_ssm":
            return StableStateSpace(self.width, 2 * self.width, "best")
        return GatedRecurrentUnit(self.width) if layer == "gru" else LongShortTermMemory(self.width)


MODEL = Hybrid
