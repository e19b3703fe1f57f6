"""Context size d + s, sweeping across the interpolation threshold s = 0 (no identity)."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.dials import Dial
from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class LengthInterpolation(Dial):
    """One context size k = d + s, so that s = k - d sweeps across the interpolation threshold. Dial: integer s >= -d.

    With label noise the squared error of least squares has no mean at s = -1, 0, 1.
    """

    stage = "sizes"
    replaces = True
    severities = (-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0)
    expected = "an integer s >= -d"

    def accepts(self, severity: float, law: PromptLaw) -> bool:
        """Tell whether d + s is a context size."""
        return float(severity).is_integer() and law.n_dims + severity >= 0

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law at the one size."""
        return law.with_sizes((law.n_dims + round(severity),))


SCENARIO = LengthInterpolation
