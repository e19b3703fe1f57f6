"""Labels change sign with probability rate (identity 0)."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.dials import FRACTION, Dial
from icl_bench.laws.labels.flipped import Flipped
from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class NoiseLabelFlip(Dial):
    """y -> -y with probability `rate`, each label on its own, a query's too. Dial: rate in [0, 1], identity 0.

    The Bayes prediction is a mixture over which labels were flipped and has no closed form.
    """

    stage = "labels"
    severities = (0.0, 0.1, 0.2, 0.5)
    unshifted = 0.0
    takes = FRACTION
    expected = "a rate in [0, 1]"

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law whose labels flip."""
        return law.add("labels", Flipped(severity))


SCENARIO = NoiseLabelFlip
