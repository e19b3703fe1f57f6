"""Checks a whole suite without running it: every part built, every contract tried on a few prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import torch

from icl_bench.assembly.plugins import bound
from icl_bench.assembly.products import NamedFactor
from icl_bench.assembly.resolved import Resolved
from icl_bench.contracts.architectures import architecture_violations, is_architecture
from icl_bench.contracts.executors import check_executor, executor_violations
from icl_bench.contracts.function_classes import function_class_violations
from icl_bench.contracts.metric_declarations import problems_in_suite
from icl_bench.contracts.metrics import metric_violations
from icl_bench.contracts.models import model_violations, scenario_violations
from icl_bench.laws.law import PromptLaw
from icl_bench.plugins import catalogue, loading
from icl_bench.plugins.protocols import Answer
from icl_bench.prompts import PromptBatch
from icl_bench.run.asking import Asker, Conditions
from icl_bench.run.block import with_bayes
from icl_bench.run.failures import Failure, caught
from icl_bench.run.suite_run import check_suite
from icl_bench.seeding import Streams
from icl_bench.suites.plan import Plan, PromptSet, make_plan
from icl_bench.suites.suite import PromptSettings
from icl_bench.suites.suite_file import load_suite

FEW_PROMPTS = 4
YARDSTICK = "ols"
"""The model whose answers metrics are tried on: it is linear in the labels and needs to know no law."""

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


@dataclass(frozen=True, slots=True)
class Finding:
    """One check and what it found; an empty problem means that all is well."""

    what: str
    problem: str = ""


def validate_suite(path: str | Path, seconds: float | None, executor: str | None = None) -> list[Finding]:
    """Return what was checked of the suite at `path`, and of an executor; SuiteError when the file itself is refused.

    Each plugin may take `seconds` for its checks.
    """
    suite = load_suite(path)
    if executor is not None:
        check_executor(executor, 1)
    plan = make_plan(suite)
    resolved = check_suite(suite, plan)
    return [
        *_function_classes(resolved, seconds),
        *_scenarios(resolved, plan, seconds),
        *_models(resolved, seconds),
        *_metrics(resolved, seconds),
        *_executors(executor, seconds),
    ]


def _function_classes(resolved: Resolved, seconds: float | None) -> Iterator[Finding]:
    """Hold the function classes that are not ours to their contracts, with the arguments they are used with."""
    suite = resolved.suite
    asked: dict[str, PromptSettings] = {}
    for settings in (suite.prompts, *(spec.prompts for spec in suite.scenarios)):
        if catalogue.is_foreign("function_classes", settings.function_class):
            key = f"{settings.function_class}/{settings.n_dims}/{settings.function_class_arguments}"
            asked.setdefault(key, settings)

    def violations(settings: PromptSettings) -> Iterable[str]:
        law = resolved.laws.base(settings)
        return function_class_violations(law.prior if law.rows is None else law.rows)

    for settings in asked.values():
        problem = _problem(partial(violations, settings), seconds)
        yield Finding(f"function class {settings.function_class}", problem)


def _scenarios(resolved: Resolved, plan: Plan, seconds: float | None) -> Iterator[Finding]:
    for prompt_set in plan.prompt_sets:
        what = f"scenario {prompt_set.place.name} seed {prompt_set.seed}"
        yield Finding(what, _problem(partial(_draws, resolved, prompt_set), seconds))
    laws, suite = resolved.laws, resolved.suite
    used = [(spec.prompts, named) for index, spec in enumerate(suite.scenarios) for named in laws.factors(index)]
    used += [(suite.prompts, named) for named in laws.training_factors()]
    asked = {repr(named.factor): (prompts, named) for prompts, named in used}

    def violations(prompts: PromptSettings, named: NamedFactor) -> Iterable[str]:
        return scenario_violations(named.scenario, laws.base(prompts))

    for prompts, named in asked.values():
        if named.foreign:
            problem = _problem(partial(violations, prompts, named), seconds)
            yield Finding(f"contracts of scenario {named.factor.use}", problem)


def _executors(executor: str | None, seconds: float | None) -> Iterator[Finding]:
    if executor is None:
        return
    build = partial(loading.build, "executors", executor)
    check = partial(executor_violations, lambda workers: build({"workers": workers}), executor)
    yield Finding(f"executor {executor}", _problem(check, seconds))


def _draws(resolved: Resolved, prompt_set: PromptSet) -> tuple[()]:
    """Draw one block, with its Bayes prediction where there is one; what is raised is the problem."""
    law = resolved.laws.cell(prompt_set).law
    with_bayes(law, law.draw(Streams(prompt_set.seed, 0)))
    return ()


def _models(resolved: Resolved, seconds: float | None) -> Iterator[Finding]:
    law = resolved.laws.base(resolved.suite.prompts)

    def few_prompts(kind: PromptLaw) -> PromptBatch:
        return kind.draw(Streams(0, 0)).prompts.select(slice(0, FEW_PROMPTS))

    def violations(label: str, batches: Sequence[PromptBatch]) -> Iterator[str]:
        built = resolved.model(label)
        if resolved.models[label].foreign and is_architecture(built):
            yield from architecture_violations(built, law.n_dims)
        model = bound(built, resolved.trained_under(label), law)
        for batch in batches:
            yield from model_violations(model, batch)

    several = replace(law, sizes=replace(law.sizes, queries_per_context=2))
    try:
        with caught(seconds, "no prompts to ask it about: "):
            batches = [few_prompts(kind) for kind in (law, several)]
    except Failure as failure:
        yield from (Finding(f"model {label}", failure.message) for label in resolved.models)
        return
    for label in resolved.models:
        yield Finding(f"model {label}", _problem(partial(violations, label, batches), seconds))


def _metrics(resolved: Resolved, seconds: float | None) -> Iterator[Finding]:
    answer, metrics = cache(partial(honest_answer, resolved)), resolved.metrics

    def violations(label: str) -> Iterator[str]:
        problems = problems_in_suite(label, metrics)
        yield from problems
        if not problems:
            yield from metric_violations(metrics[label], answer(), label)

    for label in metrics:
        yield Finding(f"metric {label}", _problem(partial(violations, label), seconds))


def honest_answer(resolved: Resolved) -> Answer:
    """Return what a good learner answers on a suite's unshifted prompts, with std and quantiles as of a Gaussian."""
    law = resolved.laws.base(resolved.suite.prompts)
    asker = Asker(resolved, law, with_bayes(law, law.draw(Streams(0, 0))), Conditions())
    model, prediction = asker.reference(YARDSTICK)
    std = torch.ones_like(prediction.mean)  # (prompt, query)
    deviates = torch.special.ndtri(torch.tensor(LEVELS, dtype=torch.float64))
    quantiles = prediction.mean[..., None] + deviates  # (prompt, query, level)
    return asker.answer(model, replace(prediction, std=std, quantiles=quantiles, levels=LEVELS))


def _problem(check: Callable[[], Iterable[str]], seconds: float | None = None) -> str:
    """Return what a check found, and what it then raised, as one line; empty when all is well or there is no answer."""
    found: list[str] = []
    try:
        with caught(seconds):
            for broken in check():
                found.append(broken)  # kept, whatever is raised after it
    except Failure as failure:
        if failure.status != "skipped":
            found.append(failure.message)
    return "; ".join(dict.fromkeys(found))
