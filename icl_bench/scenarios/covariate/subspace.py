"""Covariates in a random subspace of dimension r, trace d (dial r/d, identity 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from icl_bench.laws.covariates import Subspace
from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class CovariateSubspace:
    """x in a random r-dimensional subspace, covariance d/r times the projector. Dial: r/d in (0, 1], identity 1.

    r/d = 1/2 is the half-subspace evaluation of Garg et al. (2208.01066); r is rounded to the nearest integer >= 1.
    The subspace is drawn afresh every `prompts_per_draw` prompts (a divisor of 256); `fixed_rotation` draws one for
    the whole evaluation, which leaves a single replicate and therefore no interval.
    """

    prompts_per_draw: int = 1
    fixed_rotation: bool = False

    severities: ClassVar[tuple[float | None, ...]] = (0.25, 0.5, 0.75, 1.0)

    def identity(self, law: PromptLaw) -> float:
        """The dial at which nothing changes."""
        return 1.0

    def shift(self, law: PromptLaw, severity: float | None) -> PromptLaw:
        """Return the shifted law; ValueError for a severity outside the dial."""
        if severity is None or not 0.0 < severity <= 1.0:
            raise ValueError(f"expected a fraction r/d in (0, 1], got {severity}")
        if severity == 1.0:
            return law
        rank = max(1, round(severity * law.n_dims))
        shared = None if self.fixed_rotation else self.prompts_per_draw
        return law.map_covariates(lambda inner: Subspace(rank, inner, shared))


SCENARIO = CovariateSubspace
