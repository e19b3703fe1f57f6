"""Covariates displaced by m (1, ..., 1)/sqrt(d) (identity m = 0)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from icl_bench.laws.covariates import Displaced
from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class CovariateMean:
    """x -> x + m (1, ..., 1)/sqrt(d) for context and query. Dial: m, the length of the displacement; identity 0."""

    severities: ClassVar[tuple[float | None, ...]] = (0.0, 1.0, 2.0, 4.0)

    def identity(self, law: PromptLaw) -> float:
        """The dial at which nothing changes."""
        return 0.0

    def shift(self, law: PromptLaw, severity: float | None) -> PromptLaw:
        """Return the shifted law; ValueError for a severity outside the dial."""
        if severity is None or not math.isfinite(severity):
            raise ValueError(f"expected a finite displacement m, got {severity}")
        if severity == 0.0:
            return law
        return law.map_covariates(lambda inner: Displaced(severity, inner))


SCENARIO = CovariateMean
