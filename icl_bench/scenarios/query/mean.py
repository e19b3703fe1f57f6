"""The query alone displaced by m (1, ..., 1)/sqrt(d) (identity m = 0)."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.covariates.displaced import Displaced
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.query.row_wise import RowWise
from icl_bench.laws.shared_dials import DisplacementDial


@dataclass(frozen=True)
class QueryMean(DisplacementDial):
    """x_q -> x_q + m (1, ..., 1)/sqrt(d); the context stays. Dial: m, the length of the displacement; identity 0."""

    stage = "query"

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with the query displaced."""
        return law.add("query", RowWise(Displaced(severity)))


SCENARIO = QueryMean
