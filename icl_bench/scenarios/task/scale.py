"""The task scaled: f -> c f, so w -> c w (identity c = 1)."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.law import PromptLaw
from icl_bench.laws.shared_dials import ScaleDial
from icl_bench.laws.tasks.scaled import ScaledPrior


@dataclass(frozen=True)
class TaskScale(ScaleDial):
    """f -> c f (w -> c w for linear functions), labels accordingly, noise untouched. Dial: c > 0, identity 1."""

    stage = "task"

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with scaled functions."""
        return law.with_prior(ScaledPrior(severity, law.prior))


SCENARIO = TaskScale
