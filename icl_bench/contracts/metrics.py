"""The contract that every metric must keep when it answers, as checks that name what is broken.

`icl-bench validate` holds each metric of a suite to it, the test-suite the whole catalogue, and `icl-bench run` refuses
a suite with a metric whose declarations are incomplete before anything is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from numbers import Real

import torch
from torch import Tensor

from icl_bench.contracts.metric_declarations import metric_problems
from icl_bench.contracts.models import global_states
from icl_bench.errors import NoClosedForm
from icl_bench.plugins.protocols import Answer, Metric, Model, is_ratio
from icl_bench.prompts import Prediction, TargetBatch

MOVED_ANSWER = "losses changes its input: expected the answer to be left as it is"

LARGEST_GROUP = 2**24
"""Numbers of groups are stored in float32, which holds every whole number below this."""


def sign_problem(metric: Metric, losses: Tensor) -> str:
    """Return what is wrong with the sign of a metric's losses; empty when nothing is."""
    negative = not metric.can_be_negative and bool((losses < 0).any())
    return "losses: some are negative, though can_be_negative is False" if negative else ""


def losses_problem(losses: object, shape: tuple[int, ...]) -> str:
    """Return what is wrong with the form of a metric's losses, (prompt, query) = `shape`; empty when nothing is."""
    if not isinstance(losses, Tensor):
        return f"losses: expected a tensor, got {type(losses).__name__}"
    if tuple(losses.shape) != shape:
        return f"losses: expected shape (prompt, query) = {shape}, got {tuple(losses.shape)}"
    if losses.dtype != torch.float64:
        return f"losses: expected float64, got {losses.dtype}; `.double()` makes it so"
    return ""


def groups_problem(groups: object, n_prompts: int) -> str:
    """Return what is wrong with the form of a metric's groups, (prompt,); empty when nothing is."""
    if not isinstance(groups, Tensor) or groups.is_floating_point() or groups.is_complex():
        got = groups.dtype if isinstance(groups, Tensor) else type(groups).__name__
        return f"groups: expected a tensor of whole numbers, got {got}"
    if tuple(groups.shape) != (n_prompts,):
        return f"groups: expected shape (prompt,) = {(n_prompts,)}, got {tuple(groups.shape)}"
    if bool((groups < 0).any() or (groups >= LARGEST_GROUP).any()):
        return f"groups: expected whole numbers from 0 to {LARGEST_GROUP - 1}"
    return ""


def tail_problem(tail: object) -> str:
    """Return what is wrong with a tail index; empty when nothing is."""
    if tail is None or (isinstance(tail, Real) and not isinstance(tail, bool) and float(tail) > 0.0):
        return ""
    return f"tail_index: expected a number above 0, inf or None, got {tail!r}"


def metric_violations(metric: Metric, answer: Answer, label: str = "") -> Iterator[str]:
    """Yield every contract that `metric` breaks on an honest answer; nothing when it keeps them all.

    Its declarations are complete and agree; its losses are one finite float64 per prompt and query, never negative
    where it says so, the same on every call, and no worse at the truth than far from it; it leaves what it is given as
    it is, and refuses (NoClosedForm) where labels alone are known or the model gives a mean alone.
    """
    problems = metric_problems(metric, label)
    yield from problems
    if problems or is_ratio(metric):
        return
    yield from _losses_violations(metric, answer)
    for size in dict.fromkeys((answer.prompts.context_sizes[0], answer.prompts.context_sizes[-1])):
        problem = tail_problem(metric.tail_index(answer, size))
        if problem:
            yield problem
    yield from _refusals(metric, answer)


def _losses_violations(metric: Metric, answer: Answer) -> Iterator[str]:
    """Check the form of the losses, and that asking for them moves nothing."""
    given, before = copied(answer), global_states()
    losses = _losses(metric, given)
    if global_states() != before:
        yield "losses: a global random generator was used; a loss is a function of the answer alone"
    if not same_values_of(given, answer):
        yield MOVED_ANSWER
    if losses is None:
        return
    problem = losses_problem(losses, tuple(answer.targets.query_y.shape))
    if problem:
        yield problem
        return
    if not bool(losses.isfinite().all()):
        yield "losses: expected finite numbers on a finite answer"
    if sign_problem(metric, losses):
        yield sign_problem(metric, losses)
    again = _losses(metric, copied(answer))
    if again is None or not torch.equal(losses, again):
        yield "losses: two calls on the same answer differ; expected the same losses to the bit"
    if metric.statistic == "worst group":
        problem = groups_problem(metric.groups(copied(answer)), answer.prompts.n_prompts)  # type: ignore[attr-defined]
        if problem:
            yield problem
    yield from _direction(metric, answer, losses)


def _direction(metric: Metric, answer: Answer, losses: Tensor) -> Iterator[str]:
    """Check that the truth is no worse than what is far from it, and that prompts alone mean prompts alone.

    The truth is whichever of f, y, the Bayes prediction and the reference's answers the metric likes best.
    """
    truths = [answer.targets.query_y, answer.targets.query_f, answer.targets.bayes_mean]
    if metric.role == "distance":
        truths.append(answer.reference(metric.reference)[1].mean)  # type: ignore[attr-defined]
    known = [truth for truth in truths if truth is not None]
    far = torch.stack(known).abs().max() * 100.0 + 100.0
    distant = _losses(metric, _answering(answer, answer.prediction.mean + far))
    if distant is None:
        return
    if not metric.needs_model:
        if not torch.equal(distant, losses):
            yield "needs_model is False, but the losses change with the model's answer"
        return
    if metric.can_be_negative:
        return
    near = [loss.mean() for truth in known if (loss := _losses(metric, _answering(answer, truth))) is not None]
    lower = metric.direction == "lower"
    if near and not (min(near) <= distant.mean() if lower else max(near) >= distant.mean()):
        yield f"direction is {metric.direction!r}, but an answer far from the truth has better losses than the truth"


def _refusals(metric: Metric, answer: Answer) -> Iterator[str]:
    """Check that what need not be known is not taken for known: f and the Bayes prediction, std and quantiles."""
    only_labels = replace(answer, targets=TargetBatch(None, answer.targets.query_y))
    only_mean = replace(answer, prediction=Prediction(answer.prediction.mean))
    for what, poorer in (("only labels are known", only_labels), ("the model gives a mean alone", only_mean)):
        try:
            _losses(metric, copied(poorer))
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            yield f"losses: where {what}, expected numbers or NoClosedForm with the reason, got {told}"


def _losses(metric: Metric, answer: Answer) -> Tensor | None:
    try:
        return metric.losses(answer)
    except NoClosedForm:
        return None


def _answering(answer: Answer, mean: Tensor) -> Answer:
    """Return the answer with its mean, and its quantiles with it, moved to `mean`."""
    prediction = answer.prediction
    moved = None if prediction.quantiles is None else prediction.quantiles + (mean - prediction.mean)[..., None]
    return replace(answer, prediction=replace(prediction, mean=mean.clone(), quantiles=moved))


def copied(answer: Answer) -> Answer:
    """Return the answer with tensors of its own."""
    targets = answer.targets

    def own(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.clone()

    return replace(
        answer,
        prompts=answer.prompts.select(slice(None)),
        targets=replace(
            targets,
            query_f=own(targets.query_f),
            query_y=targets.query_y.clone(),
            bayes_mean=own(targets.bayes_mean),
            bayes_var=own(targets.bayes_var),
        ),
        prediction=_own_prediction(answer.prediction),
        reference=lambda name: _own_reference(*answer.reference(name)),
    )


def _own_prediction(prediction: Prediction) -> Prediction:
    std, quantiles = (None if part is None else part.clone() for part in (prediction.std, prediction.quantiles))
    return Prediction(prediction.mean.clone(), std, quantiles, prediction.levels)


def _own_reference(model: Model, prediction: Prediction) -> tuple[Model, Prediction]:
    return model, _own_prediction(prediction)


def _targets(targets: TargetBatch) -> tuple[Tensor | None, ...]:
    return (targets.query_f, targets.query_y, targets.bayes_mean, targets.bayes_var)


def same_values_of(first: Answer, second: Answer) -> bool:
    """Tell whether two answers hold the same numbers."""
    pairs = zip(
        (*_targets(first.targets), *first.prediction.parts().values()),
        (*_targets(second.targets), *second.prediction.parts().values()),
        strict=True,
    )
    return first.prompts.same_values(second.prompts) and all(
        one is other if one is None or other is None else torch.equal(one, other) for one, other in pairs
    )
