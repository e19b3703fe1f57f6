"""Gaussian label noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor

from icl_bench.laws.draws import OWN, Draws
from icl_bench.laws.parts import NoisePart


@dataclass(frozen=True, slots=True)
class GaussianNoise(NoisePart):
    """N(0, variance)."""

    variance: float = field()

    gaussian = True
    tail = math.inf

    def with_variance(self, variance: float) -> GaussianNoise:
        """Return N(0, variance)."""
        return GaussianNoise(variance)

    def sample(self, draws: Draws) -> Tensor:
        """Return sqrt(variance) z."""
        return math.sqrt(self.variance) * draws.per_example(OWN)
