"""Covariates scaled by a factor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.laws.covariates.linear_map import LinearMap
from icl_bench.laws.draws import Draws
from icl_bench.laws.sizes import PromptRows


@dataclass(frozen=True, slots=True)
class Scaled(LinearMap):
    """x -> factor * x."""

    factor: float

    inverse_tail = math.inf

    def move(self, x: Tensor, rows: PromptRows, draws: Draws) -> Tensor:
        """Return factor * x."""
        return self.factor * x

    def matrices(self, n_dims: int, draws: Draws) -> Tensor:
        """T = factor I."""
        return self.factor * torch.eye(n_dims, dtype=torch.float64)[None]
