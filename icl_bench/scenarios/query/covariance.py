"""The query alone drawn with eigenvalues proportional to i^-p, trace d (identity p = 0)."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.covariates.spectrum import Spectrum
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.query.row_wise import RowWise
from icl_bench.laws.shared_dials import ExponentDial


@dataclass(frozen=True)
class QueryCovariance(ExponentDial):
    """The query alone has covariance eigenvalues proportional to i^-p, trace d, in a random rotated basis of its own.

    Dial: p >= 0, identity 0. The rotation is drawn afresh every `prompts_per_draw` prompts (a divisor of 256).
    """

    prompts_per_draw: int = 1

    stage = "query"

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with that spectrum of the query."""
        return law.add("query", RowWise(Spectrum(severity, self.prompts_per_draw)))


SCENARIO = QueryCovariance
