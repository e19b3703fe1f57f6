"""Covariance eigenvalues proportional to i^-p, trace d, random rotation (identity p = 0)."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.covariates.spectrum import Spectrum
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.shared_dials import ExponentDial, InRandomBasis


@dataclass(frozen=True)
class CovariateSpectrum(InRandomBasis, ExponentDial):
    """Covariance with eigenvalues proportional to i^-p, trace d, in a random rotated basis. Dial: p >= 0, identity 0.

    p = 2 is the skewed covariance of Garg et al. (2208.01066). The rotation is drawn afresh every
    `prompts_per_draw` prompts (a divisor of 256). `fixed_rotation` takes the law's own, the same whatever the seed, in
    training and in testing, as the public code takes one for a whole evaluation: what is then measured is for that
    covariance alone. `law_number` chooses another.
    """

    stage = "covariates"

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with that spectrum."""
        return law.add("covariates", Spectrum(severity, self.shared_by, self.law_number))


SCENARIO = CovariateSpectrum
