"""Covariates of context and query scaled: x -> c x (identity c = 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from icl_bench.laws.covariates.scaled import Scaled
from icl_bench.laws.dials import Dial
from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class CovariateScale(Dial):
    """x -> c x for context and query alike (Garg et al. 2208.01066, scaled inputs). Dial: c > 0, identity 1."""

    stage = "covariates"
    severities = (1 / 3, 0.5, 1.0, 2.0, 3.0)
    unshifted = 1.0
    expected = "a scale c > 0"

    def accepts(self, severity: float, law: PromptLaw) -> bool:
        """Tell whether c is positive and finite."""
        return 0.0 < severity < math.inf

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with all covariates scaled."""
        return law.add("covariates", Scaled(severity))


SCENARIO = CovariateScale
