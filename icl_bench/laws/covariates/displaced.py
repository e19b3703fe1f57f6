"""Covariates displaced along the diagonal."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from icl_bench.laws.draws import Draws
from icl_bench.laws.moments import Moments
from icl_bench.laws.parts import CovariatePart
from icl_bench.laws.sizes import PromptRows


@dataclass(frozen=True, slots=True)
class Displaced(CovariatePart):
    """x -> x + distance * (1, ..., 1)/sqrt(d)."""

    distance: float

    gaussian = True
    inverse_tail = math.inf

    def move(self, x: Tensor, rows: PromptRows, draws: Draws) -> Tensor:
        """Return x + distance * 1/sqrt(d)."""
        return x + self.distance / math.sqrt(x.shape[-1])

    def moments(self, before: Moments, draws: Draws) -> Moments:
        """The moments before, the mean displaced."""
        return Moments(before.mean + self.distance / math.sqrt(before.mean.shape[-1]), before.covariance)
