"""One linear self-attention layer, trainable, from the start that provably reaches the global minimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from icl_bench.layers.architecture import Architecture
from icl_bench.layers.linear_self_attention import CornerLayer, LinearSelfAttentionLayer, Start


@dataclass(frozen=True, kw_only=True)
class LinearAttentionLayer(Architecture):
    """The layer of Zhang, Frei and Bartlett (2306.09927): what `linear_self_attention` gives in closed form, trained.

    The two are apart because that one follows from a law (it is bound, has no weights of its own and no seed), while
    this one has weights before it has seen any law. blocks: corner (the entries that gradient flow moves:
    x_q . A (1/k) sum y_i x_i, so its risk is exact) or full (both matrices whole). sigma, start: size and shape of
    the initial weights (Assumption 3.3); convergence is proved for sigma^2 |Gamma|_op sqrt(dim) < 2, which 0.1
    keeps to where |Gamma|_op sqrt(dim) < 200, Gamma = (1 + 1/N) Lambda + (tr Lambda / N) I.
    """

    blocks: Literal["corner", "full"] = "corner"
    sigma: float = 0.1
    start: Start = "identity"

    def __post_init__(self) -> None:
        if self.sigma <= 0.0:
            raise ValueError(f"sigma: expected a positive number, got {self.sigma} (at 0 no gradient ever moves)")

    def build(self, n_dims: int) -> CornerLayer | LinearSelfAttentionLayer:
        """Return the layer at the start of training."""
        layer = CornerLayer if self.blocks == "corner" else LinearSelfAttentionLayer
        return layer(n_dims, self.sigma, self.start)


MODEL = LinearAttentionLayer
