"""Covariates in a random subspace."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from icl_bench.laws.covariates.linear_map import RedrawnMap
from icl_bench.laws.covariates.rotations import rotations
from icl_bench.laws.draws import Draws


@dataclass(frozen=True, slots=True)
class Subspace(RedrawnMap):
    """x -> sqrt(d/r) times its projection on a random subspace of rank r (covariance of trace d)."""

    rank: int
    prompts_per_draw: int | None = 1  # None: one subspace for the law
    number: int = 0  # tells the law's subspaces apart

    inverse_tail = math.inf

    def matrices(self, n_dims: int, draws: Draws) -> Tensor:
        """T = sqrt(d/r) Q_r Q_r^T."""
        basis = rotations(draws, n_dims, self.prompts_per_draw, self.number)[:, :, : self.rank]
        return math.sqrt(n_dims / self.rank) * (basis @ basis.mT)
