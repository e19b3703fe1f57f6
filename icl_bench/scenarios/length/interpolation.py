"""Context size d + s, sweeping across the interpolation threshold s = 0 (no identity)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class LengthInterpolation:
    """One context size k = d + s, so that s = k - d sweeps across the interpolation threshold. Dial: integer s > -d.

    With label noise the squared error of least squares has no mean at s = -1, 0, 1.
    """

    severities: ClassVar[tuple[float | None, ...]] = (-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0)

    def identity(self, law: PromptLaw) -> None:
        """None: no severity leaves the law as it is."""
        return

    def shift(self, law: PromptLaw, severity: float | None) -> PromptLaw:
        """Return the shifted law; ValueError for a severity outside the dial."""
        if severity is None or not float(severity).is_integer() or law.n_dims + severity < 0:
            raise ValueError(f"expected an integer s >= -d = {-law.n_dims}, got {severity}")
        return replace(law, sizes=replace(law.sizes, context_sizes=(law.n_dims + round(severity),)))


SCENARIO = LengthInterpolation
