"""StableSSM: a diagonal linear state space with a choice of how its eigenvalues are parameterised."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.layers.architecture import Architecture
from icl_bench.layers.decoder import Decoder, initialise_as_gpt2
from icl_bench.layers.heads import HeadName, make_head
from icl_bench.layers.layout import Layout, n_inputs
from icl_bench.layers.learner import SequenceLearner
from icl_bench.layers.stable_state_space import Reparameterisation, StableStateSpace


@dataclass(frozen=True, kw_only=True)
class StableSSM(Architecture):
    """State space layers of Wang & Li (2311.14495), each followed by a feed-forward network with GELU.

    reparameterisation: lambda = -1 / (w^2 + 1/2) (best), -e^w (exp), -log(1 + e^w) (softplus) or w (direct, which may
    become unstable). n_state: eigenvalues of a layer; hidden: inside the feed-forward network, 4 * width unless given.
    """

    reparameterisation: Reparameterisation = "best"
    n_layers: int = 3
    width: int = 64
    n_state: int = 128
    hidden: int | None = None
    layout: Layout = "interleaved"
    head: HeadName = "mean"

    def build(self, n_dims: int) -> SequenceLearner:
        """Return the network; feed-forward networks are initialised as GPT-2's."""
        head = make_head(self.head, n_dims)
        mixers = [StableStateSpace(self.width, self.n_state, self.reparameterisation) for _ in range(self.n_layers)]
        hidden = 4 * self.width if self.hidden is None else self.hidden
        decoder = Decoder(n_inputs(self.layout, n_dims), self.width, head.n_outputs, mixers, hidden)
        initialise_as_gpt2(decoder)
        for mixer in mixers:
            mixer.initialise(self.n_layers)
        return SequenceLearner(decoder, self.layout, head)


MODEL = StableSSM
