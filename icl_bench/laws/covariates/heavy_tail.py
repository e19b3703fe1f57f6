"""Covariates with heavy tails."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from icl_bench.laws.draws import Draws
from icl_bench.laws.parts import CovariatePart
from icl_bench.laws.sizes import PromptRows


@dataclass(frozen=True, slots=True)
class HeavyTail(CovariatePart):
    """x -> x sqrt((degrees - 2)/chi2), chi2 drawn for each row: multivariate t of the same covariance around 0.

    chi2 by inversion of one uniform a row, so that every number of degrees of freedom shares the same base draws. Its
    first two moments are not enough for any Gaussian formula, so it declares none.
    """

    degrees: float

    def move(self, x: Tensor, rows: PromptRows, draws: Draws) -> Tensor:
        """Return the rows, each times its own factor."""
        from scipy.special import gammaincinv

        chi2 = 2.0 * gammaincinv(self.degrees / 2.0, draws.per_example("chi2", (), "uniform").numpy())
        return x * torch.from_numpy(np.sqrt((self.degrees - 2.0) / chi2))[..., None]
