"""From settings to laws: the unshifted law, the training law, and the law of each cell of a suite."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from icl_bench import catalogue
from icl_bench.assembly.products import NamedFactor, named_factors, shifted_by, told
from icl_bench.errors import MOVED, IclBenchError, PluginError, SuiteError
from icl_bench.laws.canonical import combined_digest, law_digest
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import STAGES, PromptLaw
from icl_bench.laws.parts import RowsPart, TaskPart
from icl_bench.laws.sizes import Sizes
from icl_bench.places import Severity
from icl_bench.plan import PromptSet
from icl_bench.seeding import Streams
from icl_bench.suite import Factor, ModelSpec, PromptSettings, ScenarioSpec, Suite


def base_law(settings: PromptSettings, folder: Path | None = None) -> PromptLaw:
    """Return the unshifted law that prompt settings describe; files among them are relative to `folder`.

    Raises PluginError when the function class cannot be built, or is none.
    """
    arguments = {"n_dims": settings.n_dims, **settings.function_class_arguments}
    prior = catalogue.build("function_classes", settings.function_class, arguments, folder)
    sizes = Sizes(settings.context_sizes, settings.queries_per_context)
    missing = told(prior_problem, prior)
    if missing:
        raise PluginError(f"{settings.function_class}: {missing}")
    if prior.n_dims != settings.n_dims:
        got = f"{settings.n_dims} of [prompts], got {prior.n_dims}"
        raise PluginError(f"{settings.function_class}: n_dims: expected the {got}")
    if isinstance(prior, RowsPart):
        if settings.noise_std:
            raise PluginError(
                f"noise_std: expected 0, as {settings.function_class} gives labels, got {settings.noise_std}"
            )
        return PromptLaw.of_rows(prior, sizes)
    return PromptLaw(prior=prior, noise=GaussianNoise(settings.noise_std**2), sizes=sizes)


def prior_problem(prior: object) -> str | None:
    """Return what a function class lacks to be drawn from, None when nothing."""
    rows = isinstance(prior, RowsPart)
    if not rows and _has(prior, "sample") and not _has(prior, "draw"):
        return f"sample(streams) is gone since 0.2: expected draw(draws) and value(hidden, x, position); {MOVED}"
    base, needed = (RowsPart, ("sample",)) if rows else (TaskPart, ("draw", "value"))
    for name in needed:
        if not _has(prior, name):
            listed = " and ".join(needed)
            return f"has no method {name}: expected a function class with {listed} (icl_bench.{base.__name__})"
    if not isinstance(prior, base):
        return "expected a class that inherits icl_bench.TaskPart, whose declarations default to unknown"
    n_dims = getattr(prior, "n_dims", None)
    if not isinstance(n_dims, int) or isinstance(n_dims, bool):
        return f"n_dims: expected the dimension of a covariate, a whole number, got {n_dims!r}"
    if not dataclasses.is_dataclass(prior) or not prior.__dataclass_params__.frozen:
        return "expected a frozen dataclass of plain values, so that the law has a digest"
    return None


def _has(part: object, name: str) -> bool:
    """Tell whether a part has a method of its own, not the one by which its base refuses."""
    method = getattr(type(part), name, None)
    return callable(method) and method not in (getattr(TaskPart, name, None), getattr(RowsPart, name, None))


def training_law(suite: Suite, spec: ModelSpec | None = None) -> PromptLaw:
    """Return the law that a suite's learners, or one of its models, were trained under.

    Raises SuiteError when a severity is refused, PluginError when the function class or a scenario cannot be built.
    """
    training = suite.training if spec is None or spec.training is None else spec.training.over(suite.training)
    law = base_law(suite.prompts, suite.folder)
    n_context = training.n_context if training.n_context is not None else law.sizes.n_context
    law = replace(law, sizes=Sizes((n_context,)))
    if training.noise_std is not None:
        law = law.with_noise(GaussianNoise(training.noise_std**2))
    whose = "[training]" if spec is None or spec.training is None else f"training of model {spec.label!r}"
    return shifted_by(
        law,
        training.factors or (),
        training.point,
        suite.folder,
        lambda factor, why: SuiteError([f"{whose}: {factor.use} {why}"]),
    )


def training_problems(suite: Suite) -> list[str]:
    """Return why the training laws of a suite and of its models cannot be had, each with its file and line."""
    try:
        base_law(suite.prompts, suite.folder)
    except PluginError:
        return []  # told of the prompts themselves
    problems: list[str] = []
    asked = [(suite.training, None), *((spec.training, spec) for spec in suite.models if spec.training is not None)]
    for settings, spec in asked:
        if problems and settings.factors is None:
            continue  # its scenarios are the suite's, which were refused
        try:
            training_law(suite, spec)
        except (PluginError, SuiteError, ValueError) as error:
            problems.append(f"{settings.where}: {error}")
    return problems


@dataclass(frozen=True, slots=True)
class CellLaw:
    """The law of one prompt set, and how summaries show it."""

    law: PromptLaw
    identity: bool | None  # whether the severity is the unshifted one; None for a product
    headline_size: int  # the context size that a prompt of the training length has under it


def shifted(suite: Suite, spec: ScenarioSpec, law: PromptLaw, point: tuple[Severity, ...]) -> PromptLaw:
    """Return `law` shifted by every factor of a scenario; SuiteError when a severity or a product is refused."""
    return shifted_by(law, spec.factors, point, suite.folder, _labelled(spec))


def _labelled(spec: ScenarioSpec) -> Callable[[Factor, str], SuiteError]:
    """Return how a refusal of one of its factors is told: with the scenario's label."""
    return lambda _, why: SuiteError([f"scenario {spec.label!r} {why}"])


def cell_law(suite: Suite, prompt_set: PromptSet) -> CellLaw:
    """Return the law that a prompt set draws from; SuiteError when it cannot be had."""
    spec = suite.scenarios[prompt_set.scenario]
    base = base_law(spec.prompts, suite.folder)
    law = shifted(suite, spec, base, prompt_set.place.severities)
    problem = _law_problem(law)
    if problem:
        raise SuiteError([f"scenario {spec.label!r} at {prompt_set.place.label or 'no severity'}: {problem}"])
    is_product = len(spec.factors) > 1
    identity = None if is_product else prompt_set.place.severity == _identity(suite, spec, base)
    return CellLaw(law, identity, _headline(suite, spec, base, law, prompt_set.place.severities))


def _law_problem(law: PromptLaw) -> str | None:
    """Return why prompts cannot be drawn from a law, as far as can be told without drawing; None when they can."""
    try:
        law_digest(law)
        law.check()
    except IclBenchError:
        raise
    except (TypeError, ValueError) as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _headline(suite: Suite, spec: ScenarioSpec, base: PromptLaw, law: PromptLaw, point: tuple[Severity, ...]) -> int:
    """Return the context size that summaries show: a scenario's own, else that of a prompt of the training length."""
    wanted = training_law(suite).sizes.n_context
    named = _of_spec(suite, spec, point)
    at_training_size = replace(base, sizes=Sizes((wanted,)))
    for item in named:
        declared = item.headline_size(base)
        if declared is not None:
            wanted = declared
        elif item.place(base)[0] == STAGES.index("sizes"):
            wanted = item.shift(at_training_size).sizes.n_context
    return min(law.sizes.context_sizes, key=lambda size: (abs(size - wanted), size))


def _identity(suite: Suite, spec: ScenarioSpec, base: PromptLaw) -> Severity:
    """Return the severity at which a scenario of one factor leaves `base` as it is."""
    (named,) = _of_spec(suite, spec, spec.points[0])
    return named.identity(base)


def _of_spec(suite: Suite, spec: ScenarioSpec, point: tuple[Severity, ...]) -> list[NamedFactor]:
    """Return the factors of a scenario of a suite, built; what one refuses is told with the scenario's label."""
    return named_factors(spec.factors, point, suite.folder, _labelled(spec))


def identities(suite: Suite) -> dict[str, float]:
    """Return the unshifted severity of every scenario of a suite that has one; products have none."""
    single = [spec for spec in suite.scenarios if len(spec.factors) == 1]
    found = {spec.label: _identity(suite, spec, base_law(spec.prompts, suite.folder)) for spec in single}
    return {label: float(severity) for label, severity in found.items() if severity is not None}


def prompt_digest(suite: Suite, prompt_set: PromptSet) -> str:
    """Return the digest of all prompts of a set, as a run's manifest holds it; draws them and keeps none."""
    law = cell_law(suite, prompt_set).law
    blocks = range(prompt_set.n_blocks)
    return combined_digest(law.draw(Streams(prompt_set.seed, block)).digest for block in blocks)
