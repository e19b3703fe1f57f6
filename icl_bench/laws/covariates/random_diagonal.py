"""Covariates with a random diagonal covariance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.laws.covariates.linear_map import RedrawnMap
from icl_bench.laws.draws import Draws
from icl_bench.laws.sizes import PromptRows


@dataclass(frozen=True, slots=True)
class RandomDiagonal(RedrawnMap):
    """x -> diag(sqrt(scale * e)) x, e_i iid Exp(1), drawn afresh (Zhang et al. 2306.09927, section 4.3)."""

    scale: float
    prompts_per_draw: int = 1

    inverse_tail = 1.0  # the density of an Exp(1) variable at 0 is positive

    def _roots(self, n_dims: int, draws: Draws) -> Tensor:
        """Return sqrt(scale * e), (prompt, dim)."""
        spectrum = draws.per_prompt("diagonal", (n_dims,), "exponential", self.prompts_per_draw)
        return (self.scale * spectrum).sqrt()

    def move(self, x: Tensor, rows: PromptRows, draws: Draws) -> Tensor:
        """Return x, each coordinate times its own root."""
        return x * self._roots(x.shape[-1], draws)[:, None]

    def matrices(self, n_dims: int, draws: Draws) -> Tensor:
        """T = diag(sqrt(scale * e))."""
        return torch.diag_embed(self._roots(n_dims, draws))
