"""Label noise of variance s2 (identity: the variance that the suite names)."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.dials import NOT_NEGATIVE, Dial
from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class NoiseVariance(Dial):
    """Label noise with variance s2, whatever its law. Dial: s2 >= 0; identity: the variance of the suite."""

    stage = "labels"
    once = True
    severities = (0.0, 0.05, 0.25, 1.0, 4.0)
    takes = NOT_NEGATIVE
    expected = "a variance s2 >= 0"

    def identity(self, law: PromptLaw) -> float | None:
        """The variance of the law's noise; None where there is none to know."""
        return None if law.rows is not None else law.noise.variance

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with noise of that variance; ValueError for rows of a table, which have none."""
        law.with_noise(law.noise)  # refuses rows of a table
        return law.with_noise(law.noise.with_variance(severity))


SCENARIO = NoiseVariance
