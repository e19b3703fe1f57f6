"""Covariates with eigenvalues i^-p in a random basis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.laws.covariates.linear_map import RedrawnMap
from icl_bench.laws.covariates.rotations import rotations
from icl_bench.laws.draws import Draws


@dataclass(frozen=True, slots=True)
class Spectrum(RedrawnMap):
    """x -> Q diag(sqrt(l)) Q^T x with l_i proportional to i^-power, trace d, Q a random rotation."""

    power: float
    prompts_per_draw: int | None = 1  # None: one rotation for the law
    number: int = 0  # tells the law's rotations apart

    inverse_tail = math.inf

    def matrices(self, n_dims: int, draws: Draws) -> Tensor:
        """T = Q diag(sqrt(l)) Q^T."""
        eigenvalues = torch.arange(1, n_dims + 1, dtype=torch.float64) ** -self.power
        eigenvalues = eigenvalues * (n_dims / eigenvalues.sum())
        rotation = rotations(draws, n_dims, self.prompts_per_draw, self.number)
        matrices: Tensor = (rotation * eigenvalues.sqrt()) @ rotation.mT
        return matrices
