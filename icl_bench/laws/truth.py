"""What may be computed of a law, and why not: every formula asks here, and runs only where all it needs is declared.

All of them deny rows of a table and anything that is observed otherwise than it is. Beyond that:

- Bayes prediction: the task's own posterior, or a Gaussian task with a kernel; Gaussian noise of known variance; every
  label part has a factor;
- exact risk given x: a kernel or E[w w^T]; a noise variance; every label part has a factor;
- tail index: all covariate and query parts Gaussian with moments; one Gaussian w a prompt; the tail of the noise, kept
  by every label part; the inverse tail where queries do not share the context's covariance;
- training loss of linear attention: Gaussian parts with moments, the same for every prompt; E[w w^T]; one label
  variance.

Covariates and queries come before the task and cannot reach its streams: whatever they are, x says nothing about f, so
they deny neither a posterior nor a risk given x.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from icl_bench.laws.law import PromptLaw
    from icl_bench.laws.moments import Moments


def why_no_bayes(law: PromptLaw) -> str | None:
    """Return why the Bayes prediction of a law has no closed form; None when it has one (the task may still refuse)."""
    return next(_bayes_reasons(law), None)


def _bayes_reasons(law: PromptLaw) -> Iterator[str]:
    yield from _hidden(law)
    if not law.noise.gaussian or law.noise.variance is None:
        yield f"no closed-form Bayes prediction under {type(law.noise).__name__}: the noise is not Gaussian"
    yield from _unknown_labels(law)


def why_no_exact_risk(law: PromptLaw) -> str | None:
    """Return why no exact risk given x is known for learners linear in the labels; None when it is."""
    return next(_risk_reasons(law), None)


def _risk_reasons(law: PromptLaw) -> Iterator[str]:
    yield from _hidden(law)
    if law.prior.second_moment() is None and not has_kernel(law):
        yield f"no exact risk: {type(law.prior).__name__} declares no second moments of f"
    if law.noise.variance is None:
        yield f"no exact risk: {type(law.noise).__name__} declares no variance"
    yield from _unknown_labels(law)


def why_no_tail(law: PromptLaw) -> str | None:
    """Return why no tail index follows from a law; None when it does."""
    return next(_tail_reasons(law), None)


def _tail_reasons(law: PromptLaw) -> Iterator[str]:
    yield from _hidden(law)
    yield from _not_gaussian(law)
    if law.noise.tail is None or not all(placed.part.tail_kept for placed in law.labels):
        yield "the tail of the labels is not declared"
    if law.prior.second_moment() is None or not law.prior.gaussian:
        yield "f is not one Gaussian w a prompt"
    if inverse_tail(law) is None:
        yield "the tail of the inverse covariance is not declared"


def all_moments(law: PromptLaw) -> bool:
    """Tell whether every moment of covariates, functions and labels is declared to exist.

    Then every moment exists of what is a polynomial in them, though no finite tail index follows.
    """
    if law.rows is not None or law.observe or law.noise.tail != math.inf:
        return False
    moved = [placed.part for placed in (*law.covariates, *law.query)]
    light = [part.gaussian or part.light for part in (*moved, law.prior)]
    return all(light) and all(placed.part.light or placed.part.tail_kept for placed in law.labels)


def inverse_tail(law: PromptLaw) -> float | None:
    """Return the tail index of 1 over the smallest eigenvalue of the context's covariance, None when unknown.

    Infinity where queries share the context's covariance: then it cancels.
    """
    if not law.query and all(placed.part.on == "both" for placed in law.covariates):
        return math.inf
    indices = [placed.part.inverse_tail for placed in law.covariates]
    return None if None in indices else min(indices, default=math.inf)


def why_no_training_loss(law: PromptLaw, context: Moments | None, query: Moments | None) -> str | None:
    """Return why the loss of one linear attention layer under a law has no closed form; None when it has one."""
    return next(_loss_reasons(law, context, query), None)


def _loss_reasons(law: PromptLaw, context: Moments | None, query: Moments | None) -> Iterator[str]:
    yield from _hidden(law)
    yield from _not_gaussian(law)
    if law.prior.second_moment() is None:
        yield "the function class is not linear"
    if law.noise.variance is None or law.labels:
        yield "the variance of the labels is not one number"
    if context is None or query is None or not context.fixed or not query.fixed:
        yield "the covariance is random from prompt to prompt"


def has_kernel(law: PromptLaw) -> bool:
    """Tell whether the task declares its second moments at any x and positions."""
    x, position = torch.zeros(1, 1, law.n_dims, dtype=torch.float64), torch.zeros(1, dtype=torch.long)
    return law.prior.kernel(x, position, x, position) is not None


def _hidden(law: PromptLaw) -> Iterator[str]:
    if law.rows is not None:
        yield "rows of a real table: no f is known"
    if law.observe:
        yield f"no closed form where models see the prompt otherwise than it is ({law.observe[0].factor})"


def _unknown_labels(law: PromptLaw) -> Iterator[str]:
    x = torch.zeros(1, 1, law.n_dims, dtype=torch.float64)
    for placed in law.labels:
        if placed.part.factor(x) is None:
            yield f"no closed form: {placed.factor} changes labels in a way that is not declared"


def _not_gaussian(law: PromptLaw) -> Iterator[str]:
    for placed in (*law.covariates, *law.query):
        if not placed.part.gaussian:
            yield f"{placed.factor}: covariates are not Gaussian given their moments"
