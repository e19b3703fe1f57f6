"""Student's t label noise at the suite's noise variance (identity: infinite degrees of freedom)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from icl_bench.laws.labels.present import noise_variance
from icl_bench.laws.labels.student import StudentNoise
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.shared_dials import TailDial


@dataclass(frozen=True)
class NoiseHeavyTail(TailDial):
    """Label noise from Student's t with nu degrees of freedom, scaled to the variance of the suite's noise.

    Dial: nu > 2, identity infinity. The Bayes prediction has no closed form for finite nu.
    """

    stage = "labels"
    replaces = True
    severities = (math.inf, 5.0, 3.0, 2.1)

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with t noise of the same variance."""
        return law.with_noise(StudentNoise(noise_variance(law), severity))


SCENARIO = NoiseHeavyTail
