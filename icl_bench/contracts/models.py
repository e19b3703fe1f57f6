"""Contracts that every model and every scenario must keep, as checks that name what is broken.

They attach themselves: the test-suite runs them over the whole catalogue, `icl-bench validate` over a suite, and
`icl-bench run` over every model from outside the package while it answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from numbers import Real

import numpy as np
import torch
from torch import Tensor

from icl_bench.contracts.laws import law_violations, same_draws
from icl_bench.laws.dials import changed_stages
from icl_bench.laws.law import PromptLaw
from icl_bench.plugins.protocols import Model, Scenario
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.seeding import Streams


def prediction_problem(prediction: object, prompts: PromptBatch) -> str | None:
    """Return what is wrong with the form of an answer, or None: types, shapes, kinds of number, order of quantiles.

    Whether its numbers are finite is not asked: a model that diverges has an answer of the right form.
    """
    if not isinstance(prediction, Prediction):
        return f"predict: expected an icl_bench.Prediction, got {type(prediction).__name__}"
    queries = (prompts.n_prompts, prompts.n_queries)
    problem = _tensor_problem("mean", prediction.mean, "(prompt, query)", queries)
    if problem is None and prediction.std is not None:
        problem = _tensor_problem("std", prediction.std, "(prompt, query)", queries)
        if problem is None and bool((prediction.std < 0).any()):
            problem = "Prediction.std: expected no negative number (it is a standard deviation)"
    return problem or _quantiles_problem(prediction, queries)


def _tensor_problem(part: str, tensor: object, axes: str, expected: tuple[int, ...]) -> str | None:
    """Return what is wrong with the form of one tensor of an answer, or None."""
    if not isinstance(tensor, Tensor):
        return f"Prediction.{part}: expected a tensor, got {type(tensor).__name__}"
    if tuple(tensor.shape) != expected:
        return f"Prediction.{part}: expected shape {axes} = {expected}, got {tuple(tensor.shape)}"
    if not tensor.is_floating_point():
        return f"Prediction.{part}: expected a floating-point tensor, got {tensor.dtype}"
    return None


def _quantiles_problem(prediction: Prediction, queries: tuple[int, int]) -> str | None:
    """Return what is wrong with an answer's quantiles and their levels, or None."""
    quantiles, levels = prediction.quantiles, prediction.levels
    if quantiles is None and levels is None:
        return None
    if quantiles is None:
        return "Prediction.levels: given without quantiles; expected both or neither"
    if levels is None:
        return "Prediction.levels: missing; quantiles are given, so that their levels, such as (0.1, 0.5, 0.9), must be"
    inside = isinstance(levels, tuple) and all(isinstance(level, Real) and 0.0 < level < 1.0 for level in levels)
    if not inside or not levels or any(low >= high for low, high in itertools.pairwise(levels)):
        return f"Prediction.levels: expected a tuple of increasing numbers between 0 and 1, got {levels!r}"
    problem = _tensor_problem("quantiles", quantiles, "(prompt, query, level)", (*queries, len(levels)))
    if problem:
        return problem
    low, high = quantiles[..., :-1], quantiles[..., 1:]
    if bool((low - high > _tolerance(low) * (1.0 + low.abs())).any()):
        return "Prediction.quantiles: expected each prompt's and query's to increase with their levels"
    return None


def _tolerance(answer: Tensor) -> float:
    """Return how far rounding may move an answer, relative to its size."""
    return 1e-6 if answer.dtype == torch.float64 else 1e-3


def _differs(first: Tensor, second: Tensor) -> bool:
    """Tell whether answers differ by more than rounding, relative to their size."""
    return bool(((first - second).abs() > _tolerance(first) * (1.0 + first.abs())).any())


Parts = dict[str, Tensor]
"""The tensors of an answer by name: mean, and std and quantiles where they are given."""


def _moved(first: Parts, second: Parts, query: int | None = None) -> Iterator[str]:
    """Yield the parts that differ by more than rounding (at one query, or any); a part that only one has differs."""
    at = slice(None) if query is None else query
    for part in {**first, **second}:
        if part not in first or part not in second or _differs(first[part][:, at], second[part][:, at]):
            yield part


def _of(part: str, text: str) -> str:
    """Return a message that names the part of the answer it is about; one that names none is about the mean."""
    return text if part == "mean" else f"{part}: {text}"


def model_violations(model: Model, prompts: PromptBatch) -> Iterator[str]:
    """Yield every contract that `model` breaks on a few prompts; nothing when it keeps them all.

    An answer, its mean and its std and quantiles alike, may depend on its query and its first k examples alone, and
    not on how prompts are batched.
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

    def answers(batch: PromptBatch) -> Parts:
        return model.predict(batch.select(slice(None))).parts()

    given, again = first.parts(), answers(prompts)
    for part in {**given, **again}:
        bitwise = part in given and part in again and _same_bits(given[part], again[part])
        if not bitwise:
            text = "two calls on the same prompts differ: expected the same answer to the bit (draw from a fixed seed)"
            yield _of(part, text)
    rows = [answers(prompts.select(slice(row, row + 1))) for row in range(prompts.n_prompts)]
    alone = {part: torch.cat([row[part] for row in rows]) for part in given if all(part in row for row in rows)}
    for part in _moved(given, alone):
        text = "answers change when prompts are batched differently: expected each prompt to be answered on its own"
        yield _of(part, text)
    apart = replace(prompts, next_example=False)
    for part in _moved(given, answers(apart)):
        yield _of(part, "answers change when next_example is False: expected the same answers from the same queries")
    yield from _dependence(answers, apart, given)
    if prompts.next_example:
        yield from _own_label(answers, prompts, given)


def _same_bits(first: Tensor, second: Tensor) -> bool:
    return torch.equal(torch.nan_to_num(first), torch.nan_to_num(second))


def _dependence(answers: Callable[[PromptBatch], Parts], prompts: PromptBatch, first: Parts) -> Iterator[str]:
    """Check, for a few queries, that other queries and later examples do not move the answer."""
    for query in sorted({0, prompts.n_queries // 2, prompts.n_queries - 1}):
        size = prompts.context_sizes[query]
        others = prompts.query_x.flip(0) * -1.7 + 0.3
        others[:, query] = prompts.query_x[:, query]
        for part in _moved(first, answers(replace(prompts, query_x=others)), query):
            yield _of(part, f"the answer to query {query} depends on other queries (labels could leak through them)")
        later_x, later_y = prompts.context_x.clone(), prompts.context_y.clone()
        later_x[:, size:] = later_x[:, size:] * -1.7 + 0.3
        later_y[:, size:] = later_y[:, size:] * -1.7 + 0.3
        for part in _moved(first, answers(replace(prompts, context_x=later_x, context_y=later_y)), query):
            yield _of(part, f"the answer to query {query} depends on examples after its first {size}")


def _own_label(answers: Callable[[PromptBatch], Parts], prompts: PromptBatch, first: Parts) -> Iterator[str]:
    """Check, in the one-pass form, that no answer moves with its own or a later label."""
    for query in sorted({0, prompts.n_queries // 2}):
        size = prompts.context_sizes[query]
        labels = prompts.context_y.clone()
        labels[:, size:] = labels[:, size:] * -1.7 + 0.3
        for part in _moved(first, answers(replace(prompts, context_y=labels)), query):
            text = f"with next_example, the answer to query {query} depends on labels after its first {size} examples"
            yield _of(part, text)


def _same_draw(law: PromptLaw, other: PromptLaw, seed: int) -> bool:
    first, second = law.draw(Streams(seed, 0)), other.draw(Streams(seed, 0))
    return first.digest == second.digest and same_draws(first, second)


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
    before = global_states()
    shifted = scenario.shift(law, severity)
    draw = shifted.draw(Streams(5, 1))
    if global_states() != before:
        yield f"severity {severity}: a global random generator was used; draw from a named stream instead"
    again = scenario.shift(law, severity)
    if not _same_draw(shifted, again, seed=5) or again.draw(Streams(5, 1)).digest != draw.digest:
        yield f"severity {severity}: two draws of the same block differ; expected the same prompts to the bit"
    for broken in law_violations(shifted):
        yield f"severity {severity}: {broken}"


def global_states() -> tuple[bytes, bytes]:
    """Return the states of numpy's and torch's global generators, which no plugin may move."""
    state = np.random.get_state(legacy=False)
    return repr(state).encode() + state["state"]["key"].tobytes(), torch.random.get_rng_state().numpy().tobytes()
