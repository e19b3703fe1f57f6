"""Label noise of variance s2 (identity: the variance that the suite names)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class NoiseVariance:
    """Label noise with variance s2, whatever its law. Dial: s2 >= 0; identity: the variance of the suite."""

    severities: ClassVar[tuple[float | None, ...]] = (0.0, 0.05, 0.25, 1.0, 4.0)

    def identity(self, law: PromptLaw) -> float:
        """The dial at which nothing changes."""
        return law.noise.variance

    def shift(self, law: PromptLaw, severity: float | None) -> PromptLaw:
        """Return the shifted law; ValueError for a severity outside the dial."""
        if severity is None or not 0.0 <= severity < math.inf:
            raise ValueError(f"expected a variance s2 >= 0, got {severity}")
        if severity == law.noise.variance:
            return law
        return replace(law, noise=law.noise.with_variance(severity))


SCENARIO = NoiseVariance
