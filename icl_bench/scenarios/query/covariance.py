"""The query alone drawn with eigenvalues proportional to i^-p, trace d (identity p = 0)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from icl_bench.laws.covariates.spectrum import Spectrum
from icl_bench.laws.dials import Dial
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.query.row_wise import RowWise


@dataclass(frozen=True)
class QueryCovariance(Dial):
    """The query alone has covariance eigenvalues proportional to i^-p, trace d, in a random rotated basis of its own.

    Dial: p >= 0, identity 0. The rotation is drawn afresh every `prompts_per_draw` prompts (a divisor of 256).
    """

    prompts_per_draw: int = 1

    stage = "query"
    severities = (0.0, 0.5, 1.0, 2.0)
    unshifted = 0.0
    expected = "an exponent p >= 0"

    def accepts(self, severity: float, law: PromptLaw) -> bool:
        """Tell whether p is finite and not negative."""
        return 0.0 <= severity < math.inf

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with that spectrum of the query."""
        return law.add("query", RowWise(Spectrum(severity, self.prompts_per_draw)))


SCENARIO = QueryCovariance
