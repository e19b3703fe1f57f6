"""Covariance eigenvalues proportional to i^-p, trace d, random rotation (identity p = 0)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from icl_bench.laws.covariates.spectrum import Spectrum
from icl_bench.laws.dials import Dial
from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class CovariateSpectrum(Dial):
    """Covariance with eigenvalues proportional to i^-p, trace d, in a random rotated basis. Dial: p >= 0, identity 0.

    p = 2 is the skewed covariance of Garg et al. (2208.01066). The rotation is drawn afresh every
    `prompts_per_draw` prompts (a divisor of 256). `fixed_rotation` takes the law's own, the same whatever the seed, in
    training and in testing, as the public code takes one for a whole evaluation: what is then measured is for that
    covariance alone. `law_number` chooses another.
    """

    prompts_per_draw: int = 1
    fixed_rotation: bool = False
    law_number: int = 0

    stage = "covariates"
    severities = (0.0, 0.5, 1.0, 2.0)
    unshifted = 0.0
    expected = "an exponent p >= 0"

    def accepts(self, severity: float, law: PromptLaw) -> bool:
        """Tell whether p is finite and not negative."""
        return 0.0 <= severity < math.inf

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with that spectrum."""
        shared = None if self.fixed_rotation else self.prompts_per_draw
        return law.add("covariates", Spectrum(severity, shared, self.law_number))


SCENARIO = CovariateSpectrum
