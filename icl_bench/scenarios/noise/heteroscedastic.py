"""Label noise whose variance follows |x|^2 (dial: mix in [0, 1], identity 0)."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.dials import FRACTION, Dial
from icl_bench.laws.labels.heteroscedastic import Heteroscedastic
from icl_bench.laws.labels.present import noise_variance
from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class NoiseHeteroscedastic(Dial):
    """Label noise of variance s2 ((1 - mix) + mix |x|^2/d) at the true x. Dial: mix in [0, 1], identity 0.

    Its mean over prompts is the suite's s2 where E|x|^2 = d. The Bayes prediction is a weighted ridge regression.
    """

    stage = "labels"
    severities = (0.0, 0.5, 1.0)
    unshifted = 0.0
    takes = FRACTION
    expected = "a mix in [0, 1]"

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law whose noise follows x; ValueError without noise."""
        noise_variance(law)
        return law.add("labels", Heteroscedastic(severity))


SCENARIO = NoiseHeteroscedastic
