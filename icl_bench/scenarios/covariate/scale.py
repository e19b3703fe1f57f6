"""Covariates of context and query scaled: x -> c x (identity c = 1)."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.covariates.scaled import Scaled
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.shared_dials import ScaleDial


@dataclass(frozen=True)
class CovariateScale(ScaleDial):
    """x -> c x for context and query alike (Garg et al. 2208.01066, scaled inputs). Dial: c > 0, identity 1."""

    stage = "covariates"

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with all covariates scaled."""
        return law.add("covariates", Scaled(severity))


SCENARIO = CovariateScale
