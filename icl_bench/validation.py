"""Checks a whole suite without running it: every part built, every contract tried on a few prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from icl_bench import catalogue
from icl_bench.assemble import base_law, bound, build_model, cell_law, training_law
from icl_bench.contracts import model_violations, scenario_violations
from icl_bench.evaluate.failures import Failure, caught
from icl_bench.plan import PromptSet, make_plan
from icl_bench.run import check_suite
from icl_bench.seeding import Streams
from icl_bench.suite import ModelSpec, Suite
from icl_bench.suite_file import load_suite

FEW_PROMPTS = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """One check and what it found; an empty problem means that all is well."""

    what: str
    problem: str = ""


def validate_suite(path: str | Path, seconds: float | None) -> list[Finding]:
    """Return what was checked of the suite at `path`; SuiteError when the file itself is refused.

    Each model may take `seconds` for its checks.
    """
    suite = load_suite(path)
    check_suite(suite, make_plan(suite))
    return [*_scenarios(suite), *_models(suite, seconds)]


def _scenarios(suite: Suite) -> Iterator[Finding]:
    for prompt_set in make_plan(suite).prompt_sets:
        what = f"scenario {prompt_set.label} {prompt_set.severity_label} seed {prompt_set.seed}".replace("  ", " ")
        yield Finding(what, _problem(partial(_draws, suite, prompt_set)))
    law = base_law(suite.prompts, suite.folder)
    for factor in (factor for spec in suite.scenarios for factor in spec.factors):
        if catalogue.is_file_reference(factor.use):
            scenario = catalogue.build("scenarios", factor.use, factor.arguments, suite.folder)
            problem = _problem(partial(scenario_violations, scenario, law))
            yield Finding(f"contracts of scenario {factor.use}", problem)


def _draws(suite: Suite, prompt_set: PromptSet) -> tuple[()]:
    """Draw one block; what it raises is the problem."""
    cell_law(suite, prompt_set).law.draw(Streams(prompt_set.seed, 0))
    return ()


def _models(suite: Suite, seconds: float | None) -> Iterator[Finding]:
    law = base_law(suite.prompts, suite.folder)
    several = replace(law, sizes=replace(law.sizes, queries_per_context=2))
    batches = [kind.draw(Streams(0, 0)).prompts.select(slice(0, FEW_PROMPTS)) for kind in (law, several)]

    def violations(spec: ModelSpec) -> Iterator[str]:
        model = bound(build_model(suite, spec), training_law(suite, spec), law)
        for batch in batches:
            yield from model_violations(model, batch)

    for spec in suite.models:
        yield Finding(f"model {spec.label}", _problem(partial(violations, spec), seconds))


def _problem(check: Callable[[], Iterable[str]], seconds: float | None = None) -> str:
    """Return what a check found or raised as one line, empty when all is well or there is no answer to check."""
    try:
        with caught(seconds):
            return "; ".join(dict.fromkeys(check()))
    except Failure as failure:
        return "" if failure.status == "skipped" else failure.message
