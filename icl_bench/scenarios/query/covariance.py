"""The query alone drawn with eigenvalues proportional to i^-p, trace d (identity p = 0)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from icl_bench.laws.covariates import Spectrum
from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class QueryCovariance:
    """The query alone has covariance eigenvalues proportional to i^-p, trace d, in a random rotated basis of its own.

    Dial: p >= 0, identity 0. The rotation is drawn afresh every `prompts_per_draw` prompts (a divisor of 256).
    """

    prompts_per_draw: int = 1

    severities: ClassVar[tuple[float | None, ...]] = (0.0, 0.5, 1.0, 2.0)

    def identity(self, law: PromptLaw) -> float:
        """The dial at which nothing changes."""
        return 0.0

    def shift(self, law: PromptLaw, severity: float | None) -> PromptLaw:
        """Return the shifted law; ValueError for a severity outside the dial."""
        if severity is None or not 0.0 <= severity < math.inf:
            raise ValueError(f"expected an exponent p >= 0, got {severity}")
        if severity == 0.0:
            return law
        return law.map_query(lambda inner: Spectrum(severity, inner, self.prompts_per_draw, stream="query_rotation"))


SCENARIO = QueryCovariance
