"""The Bayes prediction under the test law: the best achievable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from icl_bench.laws.law import PromptLaw
from icl_bench.plugins.bases import NeedsLaw
from icl_bench.theory.bayes import PosteriorMean


@dataclass(frozen=True)
class Bayes(NeedsLaw):
    """The posterior mean of f(x_q) under the law that the prompt was really drawn from: the best achievable.

    A reference, not a learner: it alone is told the test law. `skipped` where no closed form is known.
    """

    sees_test_law: ClassVar[bool] = True

    def bind(self, training: PromptLaw, test: PromptLaw) -> PosteriorMean:
        """Return the reference for the test law."""
        return PosteriorMean(test)


MODEL = Bayes
