"""The query alone scaled: x_q -> c x_q (identity c = 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from icl_bench.laws.covariates.scaled import Scaled
from icl_bench.laws.dials import Dial
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.query.row_wise import RowWise


@dataclass(frozen=True)
class QueryScale(Dial):
    """x_q -> c x_q; the context is untouched. Dial: c > 0, identity 1."""

    stage = "query"
    severities = (1 / 3, 0.5, 1.0, 2.0, 3.0)
    unshifted = 1.0
    expected = "a scale c > 0"

    def accepts(self, severity: float, law: PromptLaw) -> bool:
        """Tell whether c is positive and finite."""
        return 0.0 < severity < math.inf

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with the query scaled."""
        return law.add("query", RowWise(Scaled(severity)))


SCENARIO = QueryScale
