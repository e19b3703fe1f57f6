"""Covariance c diag(Exp(1)), drawn afresh for each prompt (no identity)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from icl_bench.laws.covariates import RandomDiagonal
from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class CovariateRandomDiagonal:
    """x ~ N(0, c diag(e)), e_i iid Exp(1) (Zhang et al. 2306.09927, section 4.3, figure 1). Dial: c > 0, no identity.

    The diagonal is drawn afresh every `prompts_per_draw` prompts, a divisor of 256 (the paper's figure: 64).
    """

    prompts_per_draw: int = 1

    severities: ClassVar[tuple[float | None, ...]] = (1.0, 4.0, 9.0)

    def identity(self, law: PromptLaw) -> None:
        """None: no severity leaves the law as it is."""
        return

    def shift(self, law: PromptLaw, severity: float | None) -> PromptLaw:
        """Return the shifted law; ValueError for a severity outside the dial."""
        if severity is None or not 0.0 < severity < math.inf:
            raise ValueError(f"expected a scale c > 0, got {severity}")
        return law.map_covariates(lambda inner: RandomDiagonal(severity, inner, self.prompts_per_draw))


SCENARIO = CovariateRandomDiagonal
