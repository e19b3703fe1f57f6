"""The Bayes prediction frozen at the training law: what perfect training would give."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.errors import PluginError
from icl_bench.laws.law import PromptLaw
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.theory.bayes import PosteriorMean


@dataclass(frozen=True)
class BayesTrain:
    """The posterior mean of f(x_q) under the training law, whatever law the prompts were drawn from.

    What unlimited capacity and training would answer; its excess risk is the price of a frozen prior.
    """

    def bind(self, training: PromptLaw) -> PosteriorMean:
        """Return the reference for the training law."""
        return PosteriorMean(training)

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Refuse: without a law there is no posterior."""
        raise PluginError("bayes_train knows no law yet: expected bind(training) before predict")


MODEL = BayesTrain
