"""The Bayes prediction frozen at the training law: what perfect training would give."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.law import PromptLaw
from icl_bench.plugins.bases import NeedsLaw
from icl_bench.theory.bayes import PosteriorMean


@dataclass(frozen=True)
class BayesTrain(NeedsLaw):
    """The posterior mean of f(x_q) under the training law, whatever law the prompts were drawn from.

    What unlimited capacity and training would answer; its excess risk is the price of a frozen prior.
    """

    def bind(self, training: PromptLaw) -> PosteriorMean:
        """Return the reference for the training law."""
        return PosteriorMean(training)


MODEL = BayesTrain
