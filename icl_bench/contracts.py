"""Contracts that every model and every scenario must keep, as checks that name what is broken.

They attach themselves: the test-suite runs them over the whole catalogue, `icl-bench validate` over a suite, and
`icl-bench run` over every model from outside the package while it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from icl_bench.laws.dials import changed_stages
from icl_bench.laws.law import PromptLaw
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.protocols import Model, Scenario
from icl_bench.seeding import Streams


def prediction_problem(prediction: object, prompts: PromptBatch) -> str | None:
    """Return what is wrong with the form of an answer, or None: type, shape, kind of number."""
    if not isinstance(prediction, Prediction):
        return f"predict: expected an icl_bench.Prediction, got {type(prediction).__name__}"
    mean = prediction.mean
    if not isinstance(mean, Tensor):
        return f"Prediction.mean: expected a tensor, got {type(mean).__name__}"
    expected = (prompts.n_prompts, prompts.n_queries)
    if tuple(mean.shape) != expected:
        return f"Prediction.mean: expected shape (prompt, query) = {expected}, got {tuple(mean.shape)}"
    if not mean.is_floating_point():
        return f"Prediction.mean: expected a floating-point tensor, got {mean.dtype}"
    return None


def _differs(first: Tensor, second: Tensor) -> bool:
    """Tell whether answers differ by more than rounding: 1e-6 in float64, 1e-3 below, relative to their size."""
    tolerance = 1e-6 if first.dtype == torch.float64 else 1e-3
    return bool(((first - second).abs() > tolerance * (1.0 + first.abs())).any())


def model_violations(model: Model, prompts: PromptBatch) -> Iterator[str]:
    """Yield every contract that `model` breaks on a few prompts; nothing when it keeps them all.

    An answer may depend on its query and its first k examples alone, and not on how prompts are batched.
    """
    untouched = prompts.select(slice(None))
    first = model.predict(prompts)
    problem = prediction_problem(first, prompts)
    if problem:
        yield problem
        return
    if not prompts.same_values(untouched):
        yield "predict changes its input: expected the prompts to be left as they are"
        prompts = untouched.select(slice(None))

    def answers(batch: PromptBatch) -> Tensor:
        return model.predict(batch.select(slice(None))).mean

    if not torch.equal(torch.nan_to_num(answers(prompts)), torch.nan_to_num(first.mean)):
        yield "two calls on the same prompts differ: expected the same answer to the bit (draw from a fixed seed)"
    alone = torch.cat([answers(prompts.select(slice(row, row + 1))) for row in range(prompts.n_prompts)])
    if _differs(first.mean, alone):
        yield "answers change when prompts are batched differently: expected each prompt to be answered on its own"
    apart = replace(prompts, next_example=False)
    if _differs(first.mean, answers(apart)):
        yield "answers change when next_example is False: expected the same answers from the same queries"
    yield from _dependence(answers, apart, first.mean)
    if prompts.next_example:
        yield from _own_label(answers, prompts, first.mean)


def _dependence(answers: Callable[[PromptBatch], Tensor], prompts: PromptBatch, first: Tensor) -> Iterator[str]:
    """Check, for a few queries, that other queries and later examples do not move the answer."""
    for query in sorted({0, prompts.n_queries // 2, prompts.n_queries - 1}):
        size = prompts.context_sizes[query]
        others = prompts.query_x.flip(0) * -1.7 + 0.3
        others[:, query] = prompts.query_x[:, query]
        if _differs(first[:, query], answers(replace(prompts, query_x=others))[:, query]):
            yield f"the answer to query {query} depends on other queries (labels could leak through them)"
        later_x, later_y = prompts.context_x.clone(), prompts.context_y.clone()
        later_x[:, size:] = later_x[:, size:] * -1.7 + 0.3
        later_y[:, size:] = later_y[:, size:] * -1.7 + 0.3
        if _differs(first[:, query], answers(replace(prompts, context_x=later_x, context_y=later_y))[:, query]):
            yield f"the answer to query {query} depends on examples after its first {size}"


def _own_label(answers: Callable[[PromptBatch], Tensor], prompts: PromptBatch, first: Tensor) -> Iterator[str]:
    """Check, in the one-pass form, that no answer moves with its own or a later label."""
    for query in sorted({0, prompts.n_queries // 2}):
        size = prompts.context_sizes[query]
        labels = prompts.context_y.clone()
        labels[:, size:] = labels[:, size:] * -1.7 + 0.3
        if _differs(first[:, query], answers(replace(prompts, context_y=labels))[:, query]):
            yield f"with next_example, the answer to query {query} depends on labels after its first {size} examples"


def _equal(first: Tensor | None, second: Tensor | None) -> bool:
    return first is second if first is None or second is None else torch.equal(first, second)


def _same_draw(law: PromptLaw, other: PromptLaw, seed: int) -> bool:
    first, second = law.draw(Streams(seed, 0)), other.draw(Streams(seed, 0))
    return (
        first.digest == second.digest
        and first.prompts.same_values(second.prompts)
        and _equal(first.targets.query_f, second.targets.query_f)
        and _equal(first.targets.query_y, second.targets.query_y)
    )


def scenario_violations(scenario: Scenario, law: PromptLaw) -> Iterator[str]:
    """Yield every contract that `scenario` breaks on the base law `law`; nothing when it keeps them all."""
    if not scenario.severities:
        yield "severities: expected at least one usual severity, got none"
    yield from _refusals(scenario, law)
    for severity in scenario.severities:
        try:
            shifted = scenario.shift(law, severity)
        except Exception:  # told by `_refusals`
            continue
        if not isinstance(shifted, PromptLaw):
            yield f"severity {severity}: shift: expected a PromptLaw, got {type(shifted).__name__}"
            return
        yield from _purity(scenario, law, severity)
        yield from _stage(scenario, law, shifted, severity)
    identity = scenario.identity(law)
    if identity is None and None not in scenario.severities:
        return
    unshifted = scenario.shift(law, identity)
    if not _same_draw(unshifted, law, seed=3):
        yield f"the identity severity {identity} does not draw the base law's prompts to the bit"


def _refusals(scenario: Scenario, law: PromptLaw) -> Iterator[str]:
    """Check that a severity is refused by ValueError or not at all, and that some usual one is not."""
    refused = []
    for severity in (*scenario.severities, float("nan")):
        try:
            scenario.shift(law, severity)
        except ValueError as error:
            refused.append((severity, str(error)))
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            yield f"severity {severity}: shift: {told}; expected ValueError where a severity makes no sense"
    usual = [(severity, why) for severity, why in refused if severity in scenario.severities]
    identity = scenario.identity(law)
    if usual and len(usual) == len([severity for severity in scenario.severities if severity != identity]):
        severity, why = usual[0]
        yield f"severity {severity}: shift: {why}; expected the usual severities to make sense"


def _stage(scenario: Scenario, law: PromptLaw, shifted: PromptLaw, severity: float | None) -> Iterator[str]:
    """Check that a declared stage is one at which the law has changed, if it has: products are ordered by it."""
    declared = getattr(scenario, "stage", None)
    changed = changed_stages(law, shifted)
    if declared is not None and changed and declared not in changed:
        yield f"severity {severity}: stage: {declared!r} is declared, but what changes is {', '.join(changed)}"


def _purity(scenario: Scenario, law: PromptLaw, severity: float | None) -> Iterator[str]:
    """Check that shifting and drawing use named streams only, and are functions of their arguments."""
    numpy_state, torch_state = global_states()
    shifted = scenario.shift(law, severity)
    draw = shifted.draw(Streams(5, 1))
    if global_states() != (numpy_state, torch_state):
        yield f"severity {severity}: a global random generator was used; draw from a named stream instead"
    again = scenario.shift(law, severity)
    if not _same_draw(shifted, again, seed=5) or again.draw(Streams(5, 1)).digest != draw.digest:
        yield f"severity {severity}: two draws of the same block differ; expected the same prompts to the bit"
    finite = all(bool(part.isfinite().all()) for part in (draw.prompts.context_x, draw.prompts.context_y))
    if not finite:
        yield f"severity {severity}: the prompts hold numbers that are not finite"


def global_states() -> tuple[bytes, bytes]:
    """Return the states of the global random generators, numpy's and torch's, to tell whether they were used."""
    state = np.random.get_state(legacy=False)
    return repr(state).encode() + state["state"]["key"].tobytes(), torch.random.get_rng_state().numpy().tobytes()
