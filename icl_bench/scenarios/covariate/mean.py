"""Covariates displaced by m (1, ..., 1)/sqrt(d) (identity m = 0)."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.covariates.displaced import Displaced
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.shared_dials import DisplacementDial


@dataclass(frozen=True)
class CovariateMean(DisplacementDial):
    """x -> x + m (1, ..., 1)/sqrt(d) for context and query. Dial: m, the length of the displacement; identity 0."""

    stage = "covariates"

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with all covariates displaced."""
        return law.add("covariates", Displaced(severity))


SCENARIO = CovariateMean
