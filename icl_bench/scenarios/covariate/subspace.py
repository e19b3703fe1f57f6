"""Covariates in a random subspace of dimension r, trace d (dial r/d, identity 1)."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.covariates.subspace import Subspace
from icl_bench.laws.dials import Range
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.shared_dials import InRandomBasis


@dataclass(frozen=True)
class CovariateSubspace(InRandomBasis):
    """x in a random r-dimensional subspace, covariance d/r times the projector. Dial: r/d in (0, 1], identity 1.

    r/d = 1/2 is the half-subspace evaluation of Garg et al. (2208.01066); r is rounded to the nearest integer >= 1.
    The subspace is drawn afresh every `prompts_per_draw` prompts (a divisor of 256). `fixed_rotation` takes the law's
    own, the same whatever the seed, in training and in testing; `law_number` chooses another.
    """

    stage = "covariates"
    severities = (0.25, 0.5, 0.75, 1.0)
    unshifted = 1.0
    takes = Range(0.0, 1.0, closed="high")
    expected = "a fraction r/d in (0, 1]"

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law in the subspace."""
        rank = max(1, round(severity * law.n_dims))
        return law.add("covariates", Subspace(rank, self.shared_by, self.law_number))


SCENARIO = CovariateSubspace
