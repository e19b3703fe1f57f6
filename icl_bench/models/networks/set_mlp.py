"""Set MLP: examples embedded one by one and averaged, then joined with the query; no attention, no order."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.layers.architecture import Architecture
from icl_bench.layers.heads import HeadName, make_head
from icl_bench.layers.set_mlp import SetMLP


@dataclass(frozen=True, kw_only=True)
class SetPerceptron(Architecture):
    """The set-based MLP that Ahuja and Lopez-Paz hold against transformers under shifts (2305.16704).

    Each (x_i, y_i) goes through a perceptron of `n_hidden` layers of `width` units; their mean, joined with the
    query, goes through a second one.
    """

    width: int = 64
    n_hidden: int = 2
    head: HeadName = "mean"

    def __post_init__(self) -> None:
        if self.width < 1 or self.n_hidden < 1:
            raise ValueError(f"expected width and n_hidden of at least 1, got {self.width} and {self.n_hidden}")

    def build(self, n_dims: int) -> SetMLP:
        """Return the network, with torch's own initial weights."""
        return SetMLP(n_dims, self.width, self.n_hidden, make_head(self.head, n_dims))


MODEL = SetPerceptron
