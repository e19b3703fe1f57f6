"""GPT-2 on interleaved x and y tokens: tiny, small, standard; learned, rotary, ALiBi or no positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from icl_bench.layers.architecture import Architecture
from icl_bench.layers.attention import CausalAttention
from icl_bench.layers.decoder import Decoder, initialise_as_gpt2
from icl_bench.layers.heads import HeadName, make_head
from icl_bench.layers.layout import Layout, n_inputs
from icl_bench.layers.learner import SequenceLearner
from icl_bench.layers.positions import Positions

_SIZES = {"tiny": (3, 64, 2), "small": (6, 128, 4), "standard": (12, 256, 8)}  # layers, width, heads


@dataclass(frozen=True, kw_only=True)
class GPT2(Architecture):
    """The decoder-only transformer of Garg et al. (2208.01066, section 3 and appendix A).

    size: tiny (3 layers x 64 wide x 2 heads), small (6 x 128 x 4), standard (12 x 256 x 8); `n_layers`, `width` and
    `n_heads` override it. positions: learned (as in GPT-2, for `n_positions` examples), none, rotary (2104.09864) or
    alibi (2108.12409). head: mean, gaussian (mean and variance) or bar (a histogram, as in PFNs).
    """

    size: Literal["tiny", "small", "standard"] = "tiny"
    n_layers: int | None = None
    width: int | None = None
    n_heads: int | None = None
    positions: Positions = "learned"
    n_positions: int = 101  # examples, the query included
    layout: Layout = "interleaved"
    head: HeadName = "mean"

    def build(self, n_dims: int) -> SequenceLearner:
        """Return the network, initialised as GPT-2 is."""
        given = (self.n_layers, self.width, self.n_heads)
        sizes = zip(given, _SIZES[self.size], strict=True)
        layers, width, heads = (usual if own is None else own for own, usual in sizes)
        head = make_head(self.head, n_dims)
        mixers = [CausalAttention(width, heads, self.positions) for _ in range(layers)]
        tokens = 2 * self.n_positions if self.positions == "learned" else 0
        decoder = Decoder(n_inputs(self.layout, n_dims), width, head.n_outputs, mixers, 4 * width, tokens)
        initialise_as_gpt2(decoder)
        return SequenceLearner(decoder, self.layout, head)


MODEL = GPT2
