"""Context covariates seen with errors of variance Delta (identity Delta = 0)."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.dials import NOT_NEGATIVE, Dial
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.observe.errors_in_variables import ErrorsInVariables


@dataclass(frozen=True)
class CovariateErrorsInVariables(Dial):
    """The model sees x + N(0, Delta I) in the context; labels and the query belong to the true x. Dial: Delta >= 0.

    What is seen is not what the labels were made from, so no closed form of the true law holds.
    """

    stage = "observe"
    severities = (0.0, 0.1, 0.5, 1.0)
    unshifted = 0.0
    takes = NOT_NEGATIVE
    expected = "a variance Delta >= 0"

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law seen with errors."""
        return law.add("observe", ErrorsInVariables(severity))


SCENARIO = CovariateErrorsInVariables
