"""Student's t label noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from icl_bench.laws.draws import OWN, Draws
from icl_bench.laws.parts import NoisePart


@dataclass(frozen=True, slots=True)
class StudentNoise(NoisePart):
    """Student's t with `degrees` of freedom (> 2), scaled to `variance`.

    Uses the Gaussian law's draws z: z / sqrt(chi2/(degrees - 2)), chi2 by inversion of one uniform a label, so
    that every number of degrees of freedom, infinity included, shares the same base draws.
    """

    variance: float = field()
    degrees: float

    @property
    def tail(self) -> float:
        """The degrees of freedom."""
        return self.degrees

    def with_variance(self, variance: float) -> StudentNoise:
        """Return the same t law at another variance."""
        return StudentNoise(variance, self.degrees)

    def sample(self, draws: Draws) -> Tensor:
        """Return sqrt(variance) z / sqrt(chi2 / (degrees - 2))."""
        from scipy.special import gammaincinv

        normals = draws.per_example(OWN).numpy()
        chi2 = 2.0 * gammaincinv(self.degrees / 2.0, draws.per_example("scale", (), "uniform").numpy())
        return torch.from_numpy(math.sqrt(self.variance) * normals / np.sqrt(chi2 / (self.degrees - 2.0)))
