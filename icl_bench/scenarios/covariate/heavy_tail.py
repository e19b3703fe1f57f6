"""Multivariate t covariates of unit covariance (identity: infinite degrees of freedom)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from icl_bench.laws.covariates.heavy_tail import HeavyTail
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.shared_dials import TailDial


@dataclass(frozen=True)
class CovariateHeavyTail(TailDial):
    """x from a multivariate t with nu degrees of freedom, one scale a row, covariance kept. Dial: nu > 2, identity inf.

    Labels say no more about w than before, so the Bayes prediction is closed; squared errors have an index of nu/2 at
    most (averaging: nu/4), and no Gaussian formula holds.
    """

    stage = "covariates"
    severities = (math.inf, 9.0, 5.0, 3.0)

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with heavy tails."""
        return law.add("covariates", HeavyTail(severity))


SCENARIO = CovariateHeavyTail
