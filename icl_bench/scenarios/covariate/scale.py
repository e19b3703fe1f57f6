"""Covariates of context and query scaled: x -> c x (identity c = 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from icl_bench.laws.covariates import Scaled
from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class CovariateScale:
    """x -> c x for context and query alike (Garg et al. 2208.01066, scaled inputs). Dial: c > 0, identity 1."""

    severities: ClassVar[tuple[float | None, ...]] = (1 / 3, 0.5, 1.0, 2.0, 3.0)

    def identity(self, law: PromptLaw) -> float:
        """The dial at which nothing changes."""
        return 1.0

    def shift(self, law: PromptLaw, severity: float | None) -> PromptLaw:
        """Return the shifted law; ValueError for a severity outside the dial."""
        if severity is None or not 0.0 < severity < math.inf:
            raise ValueError(f"expected a scale c > 0, got {severity}")
        if severity == 1.0:
            return law
        return law.map_covariates(lambda inner: Scaled(severity, inner))


SCENARIO = CovariateScale
