"""Answers held against what their prompts leave open: the column from which looked-up answers are told."""

from __future__ import annotations

from icl_bench.laws.law import Draw
from icl_bench.statistics.looked_up import Unsaid


def unsaid(draw: Draw) -> Unsaid | None:
    """Return what a block's prompts leave open; None where no Bayes prediction is known.

    The Bayes prediction must be exact: an approximation's own error is no learner's doing.
    """
    targets = draw.targets
    if targets.bayes_mean is None or targets.bayes_var is None or targets.query_f is None:
        return None
    _, position = draw.prompts.distinct_sizes()
    bayes, variance, truth = (
        part.double().numpy() for part in (targets.bayes_mean, targets.bayes_var, targets.query_f)
    )
    return Unsaid.of(bayes, variance, truth, position.numpy())
