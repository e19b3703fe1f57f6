"""The query alone scaled: x_q -> c x_q (identity c = 1)."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.covariates.scaled import Scaled
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.query.row_wise import RowWise
from icl_bench.laws.shared_dials import ScaleDial


@dataclass(frozen=True)
class QueryScale(ScaleDial):
    """x_q -> c x_q; the context is untouched. Dial: c > 0, identity 1."""

    stage = "query"

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with the query scaled."""
        return law.add("query", RowWise(Scaled(severity)))


SCENARIO = QueryScale
