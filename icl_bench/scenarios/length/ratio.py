"""Context sizes multiplied by M/N, the ratio of test to training length (identity 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class LengthRatio:
    """Every context size k of the suite becomes round(r k), at least 1 where k > 0. Dial: r = M/N > 0, identity 1.

    At k = N, the training length, the prompt holds r N examples; no longer prompt was seen in training when r > 1.
    """

    severities: ClassVar[tuple[float | None, ...]] = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)

    def identity(self, law: PromptLaw) -> float:
        """The dial at which nothing changes."""
        return 1.0

    def shift(self, law: PromptLaw, severity: float | None) -> PromptLaw:
        """Return the shifted law; ValueError for a severity outside the dial."""
        if severity is None or not 0.0 < severity < math.inf:
            raise ValueError(f"expected a ratio M/N > 0, got {severity}")
        if severity == 1.0:
            return law
        scaled = {max(1, round(severity * size)) if size else 0 for size in law.sizes.context_sizes}
        return replace(law, sizes=replace(law.sizes, context_sizes=tuple(sorted(scaled))))


SCENARIO = LengthRatio
