"""From settings to laws: the unshifted law, the training laws and the law of each cell of a suite, each made once."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from icl_bench.assembly.products import NamedFactor, SetFactor, named_factors, shifted, told, with_dials
from icl_bench.digests import combined_digest
from icl_bench.errors import MOVED, IclBenchError, PluginError, SuiteError
from icl_bench.laws.canonical import law_digest
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import STAGES, PromptLaw
from icl_bench.laws.parts import RowsPart, TaskPart
from icl_bench.laws.sizes import Sizes
from icl_bench.places import Place, Severity
from icl_bench.plugins import loading
from icl_bench.seeding import Streams
from icl_bench.suites.plan import PromptSet
from icl_bench.suites.suite import Factor, ModelSpec, PromptSettings, ScenarioSpec, Suite, TrainingSettings


def base_law(settings: PromptSettings, folder: Path | None = None) -> PromptLaw:
    """Return the unshifted law that prompt settings describe; files among them are relative to `folder`.

    Raises PluginError when the function class cannot be built, or is none.
    """
    arguments = {"n_dims": settings.n_dims, **settings.function_class_arguments}
    prior = loading.build("function_classes", settings.function_class, arguments, folder)
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


@dataclass(frozen=True, slots=True)
class CellLaw:
    """The law of one prompt set, and how summaries show it."""

    law: PromptLaw
    identity: bool | None  # whether the severity is the unshifted one; None for a product
    headline_size: int  # the context size that a prompt of the training length has under it


@dataclass(frozen=True, slots=True, eq=False)
class SuiteLaws:
    """The laws of a suite. Each is made when it is first asked for, and kept: seeds share it, and so do equal settings.

    Whatever cannot be had is refused each time, by SuiteError (a severity, a product) or PluginError (what cannot be
    built).
    """

    suite: Suite
    _base: dict[str, PromptLaw] = field(default_factory=dict, init=False, repr=False)  # by prompt settings
    _training: dict[str, PromptLaw] = field(default_factory=dict, init=False, repr=False)  # by model; "": the suite's
    _factors: dict[int, list[NamedFactor]] = field(default_factory=dict, init=False, repr=False)  # by scenario
    _trained: dict[str, list[NamedFactor]] = field(default_factory=dict, init=False, repr=False)  # as `_training`
    _identities: dict[int, Severity] = field(default_factory=dict, init=False, repr=False)  # by scenario
    _cells: dict[tuple[int, tuple[Severity, ...]], CellLaw] = field(default_factory=dict, init=False, repr=False)

    def base(self, settings: PromptSettings) -> PromptLaw:
        """Return the unshifted law of some of the suite's prompt settings."""
        key = repr(replace(settings, n_prompts=0, seeds=()))  # how many are drawn is no part of the law
        if key not in self._base:
            self._base[key] = base_law(settings, self.suite.folder)
        return self._base[key]

    def training(self, spec: ModelSpec | None = None) -> PromptLaw:
        """Return the law that the suite's learners, or one of its models, were trained under."""
        own = None if spec is None else spec.training
        label = spec.label if spec is not None and own is not None else ""
        if label not in self._training:
            settings = self.suite.training if own is None else own.over(self.suite.training)
            self._training[label] = self._training_law(settings, label)
        return self._training[label]

    def _training_law(self, training: TrainingSettings, label: str) -> PromptLaw:
        law = self.base(self.suite.prompts)
        n_context = training.n_context if training.n_context is not None else law.sizes.n_context
        law = replace(law, sizes=Sizes((n_context,)))
        if training.noise_std is not None:
            law = law.with_noise(GaussianNoise(training.noise_std**2))
        whose = f"training of model {label!r}" if label else "[training]"

        def refused(factor: Factor, why: str) -> SuiteError:
            return SuiteError([f"{whose}: {factor.use} {why}"])

        named = self._trained[label] = named_factors(training.factors or (), self.suite.folder, refused)
        return shifted(law, with_dials(named, training.point))

    def training_factors(self) -> list[NamedFactor]:
        """Return the factors of the training laws, the suite's and those that a model has of its own, built."""
        for spec in (None, *self.suite.models):
            self.training(spec)
        return list(itertools.chain.from_iterable(self._trained.values()))

    def training_problems(self) -> list[str]:
        """Return why the training laws of the suite and of its models cannot be had, each with its file and line."""
        suite = self.suite
        try:
            self.base(suite.prompts)
        except PluginError:
            return []  # told of the prompts themselves
        problems: list[str] = []
        asked = [(suite.training, None), *((spec.training, spec) for spec in suite.models if spec.training is not None)]
        for settings, spec in asked:
            if problems and settings.factors is None:
                continue  # its scenarios are the suite's, which were refused
            try:
                self.training(spec)
            except (PluginError, SuiteError, ValueError) as error:
                problems.append(f"{settings.where}: {error}")
        return problems

    def cell(self, prompt_set: PromptSet) -> CellLaw:
        """Return the law that a prompt set draws from."""
        key = (prompt_set.scenario, prompt_set.place.severities)
        if key not in self._cells:
            self._cells[key] = self._made_cell(prompt_set)
        return self._cells[key]

    def _made_cell(self, prompt_set: PromptSet) -> CellLaw:
        index, spec = prompt_set.scenario, self.suite.scenarios[prompt_set.scenario]
        base = self.base(spec.prompts)
        factors = with_dials(self.factors(index), prompt_set.place.severities)
        law = shifted(base, factors)
        problem = _law_problem(law)
        if problem:
            raise SuiteError([f"scenario {spec.label!r} at {prompt_set.place.label or 'no severity'}: {problem}"])
        identity = None if len(factors) > 1 else prompt_set.place.severity == self._identity(index)
        return CellLaw(law, identity, self._headline(factors, base, law))

    def factors(self, scenario: int) -> list[NamedFactor]:
        """Return the factors of one of the suite's scenarios, built; what one refuses is told with its label."""
        spec = self.suite.scenarios[scenario]
        if scenario not in self._factors:
            self._factors[scenario] = named_factors(spec.factors, self.suite.folder, _labelled(spec))
        return self._factors[scenario]

    def _headline(self, factors: list[SetFactor], base: PromptLaw, law: PromptLaw) -> int:
        """Return the size that summaries show: a scenario's own, else that of a prompt of the training length."""
        wanted = self.training().sizes.n_context
        at_training_size = replace(base, sizes=Sizes((wanted,)))
        for item in factors:
            declared = item.named.headline_size(base)
            if declared is not None:
                wanted = declared
            elif item.place(base)[0] == STAGES.index("sizes"):
                wanted = item.shift(at_training_size).sizes.n_context
        return min(law.sizes.context_sizes, key=lambda size: (abs(size - wanted), size))

    def _identity(self, scenario: int) -> Severity:
        """Return the severity at which a scenario of one factor leaves its unshifted law as it is."""
        if scenario not in self._identities:
            (named,) = self.factors(scenario)
            self._identities[scenario] = named.identity(self.base(self.suite.scenarios[scenario].prompts))
        return self._identities[scenario]

    def identities(self) -> dict[str, float]:
        """Return the unshifted severity of every scenario that has one; products have none."""
        scenarios = enumerate(self.suite.scenarios)
        found = {spec.label: self._identity(index) for index, spec in scenarios if len(spec.factors) == 1}
        return {label: float(severity) for label, severity in found.items() if severity is not None}

    def at_identity(self) -> Iterator[str]:
        """Yield the names of joint shifts of which a factor is at its unshifted severity."""
        for index, spec in enumerate(self.suite.scenarios):
            if len(spec.factors) < 2:
                continue
            identities = [named.identity(self.base(spec.prompts)) for named in self.factors(index)]
            for point in spec.points:
                if any(
                    severity is not None and severity == own for severity, own in zip(point, identities, strict=True)
                ):
                    yield Place(spec.label, point).name


def _labelled(spec: ScenarioSpec) -> Callable[[Factor, str], SuiteError]:
    """Return how a refusal of one of its factors is told: with the scenario's label."""
    return lambda _, why: SuiteError([f"scenario {spec.label!r} {why}"])


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


def prompt_digest(suite: Suite, prompt_set: PromptSet) -> str:
    """Return the digest of all prompts of a set, as a run's manifest holds it; draws them and keeps none."""
    law = SuiteLaws(suite).cell(prompt_set).law
    blocks = range(prompt_set.n_blocks)
    return combined_digest(law.draw(Streams(prompt_set.seed, block)).digest for block in blocks)
