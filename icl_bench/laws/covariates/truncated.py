"""Covariates cut to their first dimensions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.laws.covariates.linear_map import LinearMap
from icl_bench.laws.draws import Draws


@dataclass(frozen=True, slots=True)
class Truncated(LinearMap):
    """x -> (x_1, ..., x_active, 0, ..., 0): the curriculum over dimensions (Garg et al. 2208.01066, appendix A)."""

    active: int

    inverse_tail = math.inf

    def matrices(self, n_dims: int, draws: Draws) -> Tensor:
        """T = diag(1, ..., 1, 0, ..., 0)."""
        return torch.diag((torch.arange(n_dims) < self.active).to(torch.float64))[None]
