"""Covariates displaced by m (1, ..., 1)/sqrt(d) (identity m = 0)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from icl_bench.laws.covariates.displaced import Displaced
from icl_bench.laws.dials import Dial
from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class CovariateMean(Dial):
    """x -> x + m (1, ..., 1)/sqrt(d) for context and query. Dial: m, the length of the displacement; identity 0."""

    stage = "covariates"
    severities = (0.0, 1.0, 2.0, 4.0)
    unshifted = 0.0
    expected = "a finite displacement m"

    def accepts(self, severity: float, law: PromptLaw) -> bool:
        """Tell whether m is finite."""
        return math.isfinite(severity)

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with all covariates displaced."""
        return law.add("covariates", Displaced(severity))


SCENARIO = CovariateMean
