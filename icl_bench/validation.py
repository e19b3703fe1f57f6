"""Checks a whole suite without running it: every part built, every contract tried on a few prompts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from icl_bench import catalogue
from icl_bench.assemble import base_law, bound, build_model, cell_law, training_law
from icl_bench.contracts import model_violations, scenario_violations
from icl_bench.errors import NoClosedForm
from icl_bench.evaluate.failures import Failure, time_limit, told
from icl_bench.laws.law import PromptLaw
from icl_bench.plan import make_plan
from icl_bench.prompts import PromptBatch
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
        try:
            cell_law(suite, prompt_set).law.draw(Streams(prompt_set.seed, 0))
            yield Finding(what)
        except Exception as error:
            yield Finding(what, told(error))
    law = base_law(suite.prompts)
    for spec in suite.scenarios:
        for factor in spec.factors:
            if not catalogue.is_file_reference(factor.use):
                continue
            scenario = catalogue.build("scenarios", factor.use, factor.arguments, suite.folder)
            try:
                broken = "; ".join(scenario_violations(scenario, law))
            except Exception as error:
                broken = told(error)
            yield Finding(f"contracts of scenario {factor.use}", broken)


def _models(suite: Suite, seconds: float | None) -> Iterator[Finding]:
    law, training = base_law(suite.prompts), training_law(suite)
    few = law.draw(Streams(0, 0)).prompts.select(slice(0, FEW_PROMPTS))
    several = replace(law, sizes=replace(law.sizes, queries_per_context=2))
    others = several.draw(Streams(0, 0)).prompts.select(slice(0, FEW_PROMPTS))
    for spec in suite.models:
        yield Finding(f"model {spec.label}", _model_problem(suite, spec, training, law, seconds, (few, others)))


def _model_problem(
    suite: Suite,
    spec: ModelSpec,
    training: PromptLaw,
    law: PromptLaw,
    seconds: float | None,
    batches: tuple[PromptBatch, ...],
) -> str:
    try:
        with time_limit(seconds):
            model = bound(build_model(suite, spec), training, law)
            broken: list[str] = []
            for batch in batches:
                broken.extend(model_violations(model, batch))
            return "; ".join(dict.fromkeys(broken))
    except NoClosedForm:
        return ""
    except Failure as failure:
        return failure.message
    except (Exception, SystemExit) as error:
        return told(error)
