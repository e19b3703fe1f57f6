"""The Bayes prediction under the test law: the best achievable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from icl_bench.errors import PluginError
from icl_bench.laws.law import PromptLaw
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.theory.bayes import PosteriorMean


@dataclass(frozen=True)
class Bayes:
    """The posterior mean of f(x_q) under the law that the prompt was really drawn from: the best achievable.

    A reference, not a learner: it alone is told the test law. `skipped` where no closed form is known.
    """

    sees_test_law: ClassVar[bool] = True

    def bind(self, training: PromptLaw, test: PromptLaw) -> PosteriorMean:
        """Return the reference for the test law."""
        return PosteriorMean(test)

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Refuse: without a law there is no posterior."""
        raise PluginError("bayes knows no law yet: expected bind(training, test) before predict")


MODEL = Bayes
