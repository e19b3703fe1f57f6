"""Linear transformer: layers of attention without softmax, with full, diagonal or GD++ weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from icl_bench.layers.architecture import Architecture
from icl_bench.layers.linear_transformer import Attention, BlockStep, FullStep, LinearTransformer, Step


@dataclass(frozen=True, kw_only=True)
class DeepLinearAttention(Architecture):
    """Linear attention in layers, on tokens (x, y), which can learn preconditioned gradient descent and more.

    form: full (free matrices in `n_heads` heads: von Oswald et al. 2212.07677, Ahn et al. 2306.00297), diagonal (four
    numbers a layer, whatever the heads: Vladymyrov et al. 2402.14180) or gd++ (two: a learning rate and a curvature
    correction, 2212.07677). attention: prefix (as in those papers: all examples of a prompt see each other; exact
    for every context size in one pass) or causal (each example sees itself and earlier ones).
    """

    form: Literal["full", "diagonal", "gd++"] = "full"
    n_layers: int = 3
    n_heads: int = 1
    attention: Attention = "prefix"

    def __post_init__(self) -> None:
        if self.n_layers < 1 or self.n_heads < 1:
            raise ValueError(f"expected at least 1 layer and 1 head, got {self.n_layers} and {self.n_heads}")
        if self.form != "full" and self.n_heads != 1:
            raise ValueError(f"n_heads: heads exist with form = 'full' only, got {self.n_heads} with {self.form!r}")

    def build(self, n_dims: int) -> LinearTransformer:
        """Return the network; its first answers are nearly 0."""
        steps: list[Step] = [
            FullStep(n_dims, self.n_heads) if self.form == "full" else BlockStep(n_dims, self.form == "diagonal")
            for _ in range(self.n_layers)
        ]
        return LinearTransformer(steps, self.attention)


MODEL = DeepLinearAttention
