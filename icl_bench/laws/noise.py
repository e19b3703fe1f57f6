"""Noise laws: what is added to f(x) to make a label."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from icl_bench.seeding import Streams


class NoiseLaw(Protocol):
    """What label noise is drawn from: iid, mean zero, independent of x and of the task."""

    @property
    def variance(self) -> float:
        """Variance of the noise."""
        ...

    @property
    def tail(self) -> float:
        """Tail index of the noise itself; infinity when every moment exists."""
        ...

    @property
    def gaussian(self) -> bool:
        """Whether the noise is Gaussian (or absent), so that Gaussian posteriors are exact."""
        ...

    def with_variance(self, variance: float) -> NoiseLaw:
        """Return the same law at another variance."""
        ...

    def sample(self, streams: Streams, name: str, shape: tuple[int, ...]) -> Tensor:
        """Return noise of `shape` (example first) from the stream `name`."""
        ...


@dataclass(frozen=True, slots=True)
class GaussianNoise:
    """N(0, variance)."""

    variance: float

    @property
    def tail(self) -> float:
        """Every moment exists."""
        return math.inf

    @property
    def gaussian(self) -> bool:
        """Yes."""
        return True

    def with_variance(self, variance: float) -> GaussianNoise:
        """Return N(0, variance)."""
        return GaussianNoise(variance)

    def sample(self, streams: Streams, name: str, shape: tuple[int, ...]) -> Tensor:
        """Return sqrt(variance) z."""
        return math.sqrt(self.variance) * torch.from_numpy(streams.normal(name, shape))


@dataclass(frozen=True, slots=True)
class StudentNoise:
    """Student's t with `degrees` of freedom (> 2), scaled to `variance`.

    Uses the Gaussian law's draws z: z / sqrt(chi2/(degrees - 2)), chi2 by inversion of one uniform a label, so
    that every number of degrees of freedom, infinity included, shares the same base draws.
    """

    variance: float
    degrees: float

    @property
    def tail(self) -> float:
        """The degrees of freedom."""
        return self.degrees

    @property
    def gaussian(self) -> bool:
        """No."""
        return False

    def with_variance(self, variance: float) -> StudentNoise:
        """Return the same t law at another variance."""
        return StudentNoise(variance, self.degrees)

    def sample(self, streams: Streams, name: str, shape: tuple[int, ...]) -> Tensor:
        """Return sqrt(variance) z / sqrt(chi2 / (degrees - 2))."""
        from scipy.special import gammaincinv

        normals = streams.normal(name, shape)
        chi2 = 2.0 * gammaincinv(self.degrees / 2.0, streams.uniform(f"{name}/scale", shape))
        return torch.from_numpy(math.sqrt(self.variance) * normals / np.sqrt(chi2 / (self.degrees - 2.0)))
