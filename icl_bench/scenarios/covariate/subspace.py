"""Covariates in a random subspace of dimension r, trace d (dial r/d, identity 1)."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.covariates.subspace import Subspace
from icl_bench.laws.dials import Dial
from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class CovariateSubspace(Dial):
    """x in a random r-dimensional subspace, covariance d/r times the projector. Dial: r/d in (0, 1], identity 1.

    r/d = 1/2 is the half-subspace evaluation of Garg et al. (2208.01066); r is rounded to the nearest integer >= 1.
    The subspace is drawn afresh every `prompts_per_draw` prompts (a divisor of 256). `fixed_rotation` takes the law's
    own, the same whatever the seed, in training and in testing; `law_number` chooses another.
    """

    prompts_per_draw: int = 1
    fixed_rotation: bool = False
    law_number: int = 0

    stage = "covariates"
    severities = (0.25, 0.5, 0.75, 1.0)
    unshifted = 1.0
    expected = "a fraction r/d in (0, 1]"

    def accepts(self, severity: float, law: PromptLaw) -> bool:
        """Tell whether r/d is a fraction."""
        return 0.0 < severity <= 1.0

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law in the subspace."""
        rank = max(1, round(severity * law.n_dims))
        shared = None if self.fixed_rotation else self.prompts_per_draw
        return law.add("covariates", Subspace(rank, shared, self.law_number))


SCENARIO = CovariateSubspace
