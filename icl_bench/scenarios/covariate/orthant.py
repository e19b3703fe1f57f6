"""Context in one random orthant, query anywhere or in the opposite one (dial: fraction of dimensions, identity 0)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from icl_bench.laws.covariates.orthant import Orthant
from icl_bench.laws.dials import FRACTION, Dial
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.query.opposite_orthant import OppositeOrthant


@dataclass(frozen=True)
class CovariateOrthant(Dial):
    """The signs of the context's first round(fraction d) coordinates are those of one orthant a prompt.

    query: "any" leaves the query as it was (random quadrants of Garg et al. 2208.01066), "opposite" puts it into the
    opposite orthant (their opposite quadrants). Dial: the fraction, in [0, 1]; identity 0.
    """

    query: Literal["any", "opposite"] = "any"

    stage = "covariates"
    severities = (0.0, 0.5, 1.0)
    unshifted = 0.0
    takes = FRACTION
    expected = "a fraction of dimensions in [0, 1]"

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with the context, and the query if asked, in an orthant."""
        law = law.add("covariates", Orthant(severity))
        return law.add("query", OppositeOrthant(severity)) if self.query == "opposite" else law


SCENARIO = CovariateOrthant
