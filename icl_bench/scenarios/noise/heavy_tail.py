"""Student's t label noise at the suite's noise variance (identity: infinite degrees of freedom)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from icl_bench.laws.law import PromptLaw
from icl_bench.laws.noise import StudentNoise


@dataclass(frozen=True)
class NoiseHeavyTail:
    """Label noise from Student's t with nu degrees of freedom, scaled to the variance of the suite's noise.

    Dial: nu > 2, identity infinity. The Bayes prediction has no closed form for finite nu.
    """

    severities: ClassVar[tuple[float | None, ...]] = (float("inf"), 5.0, 3.0, 2.1)

    def identity(self, law: PromptLaw) -> float:
        """The dial at which nothing changes."""
        return float("inf")

    def shift(self, law: PromptLaw, severity: float | None) -> PromptLaw:
        """Return the shifted law; ValueError for a severity outside the dial."""
        if severity is None or not severity > 2.0:
            raise ValueError(f"expected degrees of freedom nu > 2 (or inf), got {severity}")
        if severity == float("inf"):
            return law
        if law.noise.variance == 0.0:
            raise ValueError("expected a suite with noise_std > 0, got 0: there is no noise to shape")
        return replace(law, noise=StudentNoise(law.noise.variance, severity))


SCENARIO = NoiseHeavyTail
