"""Losses to simulate comparisons with: laws of one loss, and families of losses that share their prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from icl_bench.arrays import Array32


class LossLaw(Protocol):
    """The law of a loss, made from standard normal latents; prompts that are hard for one learner are for the next."""

    @property
    def name(self) -> str: ...
    @property
    def parts(self) -> int:
        """Latents a loss."""

    @property
    def mean(self) -> float:
        """Expectation, NaN where there is none (or none of the square, so that no interval of it is printed)."""

    @property
    def median(self) -> float: ...

    def latent_correlation(self, correlation: float) -> float:
        """Return the correlation of latents that gives losses this one."""

    def losses(self, latents: Array32) -> Array32:
        """Turn latents (part, ...) into losses (...)."""


@dataclass(frozen=True, slots=True)
class SquaredNormal:
    """chi2_1, a squared error: CV^2 = 2."""

    name: str = "squared normal"
    parts: int = 1
    mean: float = 1.0
    median: float = 0.454936423119572

    def latent_correlation(self, correlation: float) -> float:
        return math.sqrt(correlation)

    def losses(self, latents: Array32) -> Array32:
        squares: Array32 = np.square(latents[0])
        return squares


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Mean 1, squared coefficient of variation `variation`; all moments, and a longer tail than a squared error's."""

    variation: float
    parts: int = 1
    mean: float = 1.0

    @property
    def name(self) -> str:
        return f"lognormal, CV^2 = {self.variation:g}"

    @property
    def median(self) -> float:
        return 1.0 / math.sqrt(1.0 + self.variation)

    def latent_correlation(self, correlation: float) -> float:
        return math.log1p(correlation * self.variation) / math.log1p(self.variation)

    def losses(self, latents: Array32) -> Array32:
        spread = math.log1p(self.variation)
        exponent: Array32 = latents[0] * np.float32(math.sqrt(spread)) - np.float32(0.5 * spread)
        return np.exp(exponent, out=exponent)


@dataclass(frozen=True, slots=True)
class RatioOfSquares:
    """F(1, `degrees`), the squared error of least squares near k = d: tail index degrees / 2, no second moment."""

    degrees: int
    mean: float = math.nan

    @property
    def name(self) -> str:
        return f"F(1, {self.degrees}), tail index {self.degrees / 2:g}"

    @property
    def parts(self) -> int:
        return 1 + self.degrees

    @property
    def median(self) -> float:
        from scipy.special import fdtri

        return float(fdtri(1, self.degrees, 0.5))

    def latent_correlation(self, correlation: float) -> float:
        return correlation  # losses have none; the latents' stands in for it

    def losses(self, latents: Array32) -> Array32:
        squares = np.square(latents)
        ratio: Array32 = squares[0] / np.maximum(squares[1:].mean(axis=0), np.float32(1e-30))
        return ratio


def family(
    laws: Sequence[LossLaw], generator: np.random.Generator, shape: tuple[int, ...], correlation: float
) -> Array32:
    """Return losses (member, *shape), float32 as in tables, one member a law; any two have this correlation.

    Laws of different names share the latents' correlation that the first one needs.
    """
    shared = laws[0].latent_correlation(correlation)
    common = generator.standard_normal((laws[0].parts, 1, *shape), dtype=np.float32)
    latents = generator.standard_normal((laws[0].parts, len(laws), *shape), dtype=np.float32)
    latents *= np.float32(math.sqrt(1.0 - shared))
    latents += np.float32(math.sqrt(shared)) * common
    return np.stack([law.losses(latents[:, member]) for member, law in enumerate(laws)])


def clustered_pair(generator: np.random.Generator, shape: float, clusters: int, size: int, columns: int) -> Array32:
    """Return losses (2, clusters * size, column): squared normals times a level that each cluster's prompts share.

    Of the level, gamma with `shape` and mean 1, base and head share one factor; each has another with shape 10.
    """
    level = generator.gamma(shape, 1.0 / shape, (1, clusters, columns)) * generator.gamma(
        10.0, 0.1, (2, clusters, columns)
    )
    level = np.repeat(level, size, axis=1)
    return (level * family([SquaredNormal()] * 2, generator, level.shape[1:], 0.5)).astype(np.float32)
