"""Multivariate t covariates of unit covariance (identity: infinite degrees of freedom)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from icl_bench.laws.covariates.heavy_tail import HeavyTail
from icl_bench.laws.dials import Dial
from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class CovariateHeavyTail(Dial):
    """x from a multivariate t with nu degrees of freedom, one scale a row, covariance kept. Dial: nu > 2, identity inf.

    Labels say no more about w than before, so the Bayes prediction is closed; squared errors have an index of nu/2 at
    most (averaging: nu/4), and no Gaussian formula holds.
    """

    stage = "covariates"
    severities = (math.inf, 9.0, 5.0, 3.0)
    unshifted = math.inf
    expected = "degrees of freedom nu > 2 (or inf)"

    def accepts(self, severity: float, law: PromptLaw) -> bool:
        """Tell whether the covariance exists."""
        return severity > 2.0

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with heavy tails."""
        return law.add("covariates", HeavyTail(severity))


SCENARIO = CovariateHeavyTail
