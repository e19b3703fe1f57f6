"""Dials that several scenarios have: what they take, where they do nothing, and their usual grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

from icl_bench.laws.dials import FINITE, NOT_NEGATIVE, POSITIVE, Dial, Range


class ScaleDial(Dial):
    """A factor that something is multiplied by."""

    severities = (1 / 3, 0.5, 1.0, 2.0, 3.0)
    unshifted = 1.0
    takes = POSITIVE
    expected = "a scale c > 0"


class DisplacementDial(Dial):
    """The length of a displacement along (1, ..., 1)."""

    severities = (0.0, 1.0, 2.0, 4.0)
    unshifted = 0.0
    takes = FINITE
    expected = "a finite displacement m"


class ExponentDial(Dial):
    """The exponent p of eigenvalues proportional to i^-p."""

    severities = (0.0, 0.5, 1.0, 2.0)
    unshifted = 0.0
    takes = NOT_NEGATIVE
    expected = "an exponent p >= 0"


class TailDial(Dial):
    """The degrees of freedom of a Student t that has a variance; a Gaussian has infinitely many."""

    unshifted = math.inf
    takes = Range(low=2.0, closed="high")
    expected = "degrees of freedom nu > 2 (or inf)"


@dataclass(frozen=True)
class InRandomBasis(Dial):
    """A dial whose shift lies in a random basis, of several prompts each, or the law's own."""

    prompts_per_draw: int = 1
    fixed_rotation: bool = False  # one basis for the law, the same whatever the seed, in training and in testing
    law_number: int = 0  # tells the law's bases apart

    @property
    def shared_by(self) -> int | None:
        """How many consecutive prompts share a basis; None: all, since it is the law's own."""
        return None if self.fixed_rotation else self.prompts_per_draw
