"""The task scaled: f -> c f, so w -> c w (identity c = 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from icl_bench.laws.dials import Dial
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.tasks.scaled import ScaledPrior


@dataclass(frozen=True)
class TaskScale(Dial):
    """f -> c f (w -> c w for linear functions), labels accordingly, noise untouched. Dial: c > 0, identity 1."""

    stage = "task"
    severities = (1 / 3, 0.5, 1.0, 2.0, 3.0)
    unshifted = 1.0
    expected = "a scale c > 0"

    def accepts(self, severity: float, law: PromptLaw) -> bool:
        """Tell whether c is positive and finite."""
        return 0.0 < severity < math.inf

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with scaled functions."""
        return law.with_prior(ScaledPrior(severity, law.prior))


SCENARIO = TaskScale
