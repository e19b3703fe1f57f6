"""DeltaNet: a fast-weight memory corrected by the delta rule, with eigenvalues in [0, 1] or [-1, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import silu

from icl_bench.layers.convolution import ShortConvolution
from icl_bench.layers.delta_rule import DeltaSteps, delta_rule
from icl_bench.layers.head_axis import HeadNorm, head_width, merged_heads, split_heads
from icl_bench.layers.mixing import Mixer
from icl_bench.layers.stack import Stack

Eigenvalues = Literal["0to1", "-1to1"]


class DeltaNetMixer(Mixer):
    """S_t = (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T, with unit keys and queries, and a norm on each head."""

    def __init__(self, width: int, n_heads: int, eigenvalues: Eigenvalues, convolution: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.largest_beta = 2.0 if eigenvalues == "-1to1" else 1.0
        self.project_in = nn.Linear(width, 3 * width)
        self.project_beta = nn.Linear(width, n_heads)
        self.convolution = ShortConvolution(3 * width, convolution) if convolution else None
        self.norm = HeadNorm(head_width(width, n_heads))
        self.project_out = nn.Linear(width, width)

    def forward(self, tokens: Tensor, queries: Tensor | None, seen: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """As of Mixer."""
        projected = self.project_in(tokens)  # (prompt, token, 3 * width)
        asked = None if queries is None else self.project_in(queries)
        if self.convolution is not None:
            projected, asked = self.convolution(projected, asked, seen)
        own = None if queries is None or asked is None else self._steps(asked, queries)
        mixed, answers = delta_rule(self._steps(projected, tokens), own, seen)
        return self._merged(mixed), None if answers is None else self._merged(answers)

    def _steps(self, projected: Tensor, tokens: Tensor) -> DeltaSteps:
        query, key, value = silu(projected).chunk(3, dim=-1)
        beta = self.largest_beta * self.project_beta(tokens).sigmoid()  # (prompt, token, head)
        return DeltaSteps(
            unit(split_heads(query, self.n_heads)),
            unit(split_heads(key, self.n_heads)),
            split_heads(value, self.n_heads),
            split_heads(beta, self.n_heads),
        )

    def _merged(self, heads: Tensor) -> Tensor:
        merged: Tensor = self.project_out(merged_heads(self.norm(heads)))
        return merged


def unit(heads: Tensor) -> Tensor:
    """Return vectors of length 1, or shorter where they were shorter than about 0.001: zero stays zero, smoothly."""
    return heads * (heads.square().sum(dim=-1, keepdim=True) + 1e-6).rsqrt()


@dataclass(frozen=True, kw_only=True)
class DeltaNet(Stack):
    """The delta rule of Schlag et al. (2102.11174, section 4.2) as a layer of Yang et al. (2406.06484, section 3).

    SiLU after the projections, queries and keys of unit length, a root-mean-square norm on each head's reading.
    eigenvalues: beta_t in (0, 1), so that I - beta k k^T has its eigenvalue along the key in (0, 1), or beta_t in
    (0, 2) for (-1, 1), which lets the state change sign (Grazzi et al. 2411.12537, section 4). convolution: tokens in
    the short causal convolution before the SiLU; 0 for none, 4 as published.
    """

    eigenvalues: Eigenvalues = "0to1"
    convolution: int = 0

    def mixer(self, layer: int) -> DeltaNetMixer:
        """Return the mixer; every block has the same."""
        return DeltaNetMixer(self.width, self.n_heads, self.eigenvalues, self.convolution)


MODEL = DeltaNet
