"""Context sizes multiplied by M/N, the ratio of test to training length (identity 1)."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.dials import POSITIVE, Dial
from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class LengthRatio(Dial):
    """Every context size k of the suite becomes round(r k), at least 1 where k > 0. Dial: r = M/N > 0, identity 1.

    At k = N, the training length, the prompt holds r N examples; no longer prompt was seen in training when r > 1.
    """

    stage = "sizes"
    severities = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
    unshifted = 1.0
    takes = POSITIVE
    expected = "a ratio M/N > 0"

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law at the scaled sizes."""
        scaled = {max(1, round(severity * size)) if size else 0 for size in law.sizes.context_sizes}
        return law.with_sizes(tuple(sorted(scaled)))


SCENARIO = LengthRatio
