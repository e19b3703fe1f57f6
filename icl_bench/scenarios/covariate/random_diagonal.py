"""Covariance c diag(Exp(1)), drawn afresh for each prompt (no identity)."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.covariates.random_diagonal import RandomDiagonal
from icl_bench.laws.dials import POSITIVE, Dial
from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class CovariateRandomDiagonal(Dial):
    """x ~ N(0, c diag(e)), e_i iid Exp(1) (Zhang et al. 2306.09927, section 4.3, figure 1). Dial: c > 0, no identity.

    The diagonal is drawn afresh every `prompts_per_draw` prompts, a divisor of 256 (the paper's figure: 64).
    """

    prompts_per_draw: int = 1

    stage = "covariates"
    severities = (1.0, 4.0, 9.0)
    takes = POSITIVE
    expected = "a scale c > 0"

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with random diagonal covariances."""
        return law.add("covariates", RandomDiagonal(severity, self.prompts_per_draw))


SCENARIO = CovariateRandomDiagonal
