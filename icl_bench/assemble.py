"""From names and numbers to objects: laws, models and metrics of a suite."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from icl_bench import __version__, catalogue
from icl_bench.errors import MOVED, DocumentError, IclBenchError, PluginError, SuiteError
from icl_bench.laws.canonical import combined_digest, law_digest
from icl_bench.laws.dials import factor_name, stage_of
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import STAGES, PromptLaw
from icl_bench.laws.parts import RowsPart, TaskPart
from icl_bench.laws.sizes import Sizes
from icl_bench.plan import PromptSet
from icl_bench.protocols import Metric, Model, Scenario, declared, is_ratio
from icl_bench.seeding import Streams
from icl_bench.suite import (
    Factor,
    MetricSpec,
    ModelSpec,
    PromptSettings,
    ScenarioSpec,
    Severity,
    Suite,
    metric_spec,
)
from icl_bench.tables.metric_cards import MetricCard


def load_model(name: str, **arguments: Any) -> Model:
    """Return a model by name or by `./file.py:Name`; PluginError when it cannot be built.

    A model that follows from its training law (`linear_self_attention`, ...) is asked through `bind(training)`;
    `bayes`, which sees the test law, through `bind(training, test)`.
    """
    model: Model = catalogue.build("models", name, arguments)
    return model


def load_scenario(name: str, **arguments: Any) -> Scenario:
    """Return a scenario by name (`covariate/scale`) or by `./file.py:Name`; PluginError when it cannot be built."""
    scenario: Scenario = catalogue.build("scenarios", name, arguments)
    return scenario


def base_law(settings: PromptSettings, folder: Path | None = None) -> PromptLaw:
    """Return the unshifted law that prompt settings describe; files among them are relative to `folder`.

    Raises PluginError when the function class cannot be built, or is none.
    """
    arguments = {"n_dims": settings.n_dims, **settings.function_class_arguments}
    prior = catalogue.build("function_classes", settings.function_class, arguments, folder)
    sizes = Sizes(settings.context_sizes, settings.queries_per_context)
    missing = _told(prior_problem, prior)
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


def _told(question: Callable[[Any], str | None], plugin: object) -> str | None:
    """Return what is wrong with a plugin's members; one that raises when it is looked at is wrong too."""
    try:
        return question(plugin)
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}"


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


@dataclass(frozen=True, slots=True)
class _NamedFactor:
    """One factor of a product, built, with the name that its random streams go by."""

    factor: Factor
    scenario: Scenario
    severity: Severity
    name: str
    refused: Callable[[Factor, str], DocumentError]

    def shift(self, law: PromptLaw) -> PromptLaw:
        """Return the shifted law; what the scenario raises becomes its refusal."""
        shifted = self._asked(lambda: self.scenario.shift(law.under(self.name), self.severity))
        if not isinstance(shifted, PromptLaw):
            raise self.refused(self.factor, f"shift: expected a PromptLaw, got {type(shifted).__name__}")
        if not isinstance(shifted.sizes, Sizes):
            raise self.refused(self.factor, f"shift: sizes: expected Sizes, got {type(shifted.sizes).__name__}")
        return shifted.under("")

    def identity(self, law: PromptLaw) -> Severity:
        """Return the severity at which the scenario leaves a law as it is, None when there is none."""
        identity = self._asked(lambda: self.scenario.identity(law), at="")
        if identity is not None and (isinstance(identity, bool) or not isinstance(identity, int | float)):
            raise self.refused(self.factor, f"identity: expected a number or None, got {identity!r}")
        return identity

    def changes(self, law: PromptLaw) -> bool:
        """Tell whether the severity is another than the unshifted one."""
        identity = self.identity(law)
        return identity is None or self.severity != identity

    def headline_size(self, law: PromptLaw) -> int | None:
        """Return the context size that summaries show under the scenario, where it has one of its own."""
        own = getattr(self.scenario, "headline_size", None)
        size = self._asked(lambda: own(law), at="") if callable(own) else None
        if size is not None and not isinstance(size, int):
            raise self.refused(self.factor, f"headline_size: expected a whole number or None, got {size!r}")
        return size

    def place(self, law: PromptLaw) -> tuple[int, bool]:
        """Return where the factor comes in a product: by stage, and what replaces a part before what wraps it."""
        stage = self._asked(lambda: stage_of(self.scenario, law, law if _declared(self.scenario) else self.shift(law)))
        return STAGES.index(stage), not getattr(self.scenario, "replaces", False)

    def _asked(self, question: Callable[[], Any], at: str | None = None) -> Any:
        """Return the answer; what is raised becomes the scenario's refusal, told with the severity unless `at` is."""
        at = f"at severity {self.severity}" if at is None else at
        try:
            return question()
        except DocumentError:
            raise
        except ValueError as error:
            raise self.refused(self.factor, f"{at}: {error}") from error
        except (Exception, SystemExit) as error:
            raise self.refused(self.factor, f"{at} fails: {type(error).__name__}: {error}".strip()) from error


def _declared(scenario: Scenario) -> bool:
    return getattr(scenario, "stage", None) is not None


def shifted(suite: Suite, spec: ScenarioSpec, law: PromptLaw, point: tuple[Severity, ...]) -> PromptLaw:
    """Return `law` shifted by every factor of a scenario; SuiteError when a severity or a product is refused."""
    return shifted_by(
        law, spec.factors, point, suite.folder, lambda _, why: SuiteError([f"scenario {spec.label!r} {why}"])
    )


def shifted_by(
    law: PromptLaw,
    factors: Sequence[Factor],
    point: Sequence[Severity],
    folder: Path,
    refused: Callable[[Factor, str], DocumentError],
) -> PromptLaw:
    """Return `law` shifted by every factor; where one refuses its severity, raise `refused(factor, why)`.

    Factors are applied by stage, within a stage what replaces a base part before what wraps it, else as listed. Two
    that replace the same part are refused: the first would be lost.
    """
    named = _named(factors, point, folder, refused)
    order = {item.name: item.place(law) for item in named}
    replacing: dict[int, str] = {}
    for item in named:
        stage, wraps = order[item.name]
        if wraps or not item.changes(law):
            continue
        if stage in replacing:
            why = f"and {replacing[stage]} put another law in the same place, the first would be lost: expected one"
            raise refused(item.factor, why)
        replacing[stage] = item.name
    for item in sorted(named, key=lambda item: order[item.name]):
        law = item.shift(law)
    return law


def _named(
    factors: Sequence[Factor],
    point: Sequence[Severity],
    folder: Path,
    refused: Callable[[Factor, str], DocumentError],
) -> list[_NamedFactor]:
    """Build the factors of a product, in the order listed; the second of a name is `name#2`, identities included."""
    seen: Counter[str] = Counter()
    named = []
    for factor, severity in zip(factors, point, strict=True):
        scenario: Scenario = catalogue.build("scenarios", factor.use, factor.arguments, folder)
        missing = _told(scenario_problem, scenario)
        if missing:
            raise refused(factor, missing)
        name = factor_name(scenario) if catalogue.is_file_reference(factor.use) else factor.use
        seen[name] += 1
        if seen[name] > 1 and getattr(scenario, "once", False):
            raise refused(factor, "sets a value: a second one in a product would undo the first; expected one of them")
        unique = name if seen[name] == 1 else f"{name}#{seen[name]}"
        named.append(_NamedFactor(factor, scenario, severity, unique, refused))
    return named


def scenario_problem(scenario: object) -> str | None:
    """Return what a scenario lacks to be used, None when nothing."""
    for name, meant in (("shift", "shift(law, severity)"), ("identity", "identity(law)")):
        if not callable(getattr(scenario, name, None)):
            return f"has no method {name}: expected a scenario with {meant}"
    grid = getattr(scenario, "severities", None)
    if not isinstance(grid, tuple | list) or not all(level is None or isinstance(level, int | float) for level in grid):
        return f"severities: expected a tuple of numbers, the usual grid, got {grid!r}"
    stage = getattr(scenario, "stage", None)
    if stage is not None and stage not in STAGES:
        return f"stage: expected one of {', '.join(STAGES)}, got {stage!r}"
    called = getattr(scenario, "name", None)
    if called is not None and not isinstance(called, str):
        return f"name: expected text, got {called!r}"
    return None


def cell_law(suite: Suite, prompt_set: PromptSet) -> CellLaw:
    """Return the law that a prompt set draws from; SuiteError when it cannot be had."""
    spec = suite.scenarios[prompt_set.scenario]
    base = base_law(spec.prompts, suite.folder)
    law = shifted(suite, spec, base, prompt_set.point)
    problem = _law_problem(law)
    if problem:
        raise SuiteError([f"scenario {spec.label!r} at {prompt_set.severity_label or 'no severity'}: {problem}"])
    is_product = len(spec.factors) > 1
    identity = None if is_product else prompt_set.severity == _identity(suite, spec, base)
    return CellLaw(law, identity, _headline(suite, spec, base, law, prompt_set.point))


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


def _of_spec(suite: Suite, spec: ScenarioSpec, point: tuple[Severity, ...]) -> list[_NamedFactor]:
    """Return the factors of a scenario of a suite, built; what one refuses is told with the scenario's label."""
    return _named(spec.factors, point, suite.folder, lambda _, why: SuiteError([f"scenario {spec.label!r} {why}"]))


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


def bound(model: Model, training: PromptLaw, test: PromptLaw) -> Model:
    """Return the model to be asked on prompts from `test`: a learner is told its training law, a reference both.

    Raises PluginError for a `bind` that wants the test law and does not declare that it sees it.
    """
    bind: Any = getattr(model, "bind", None)
    if bind is None:
        return model
    problem = bind_problem(model)
    if problem:
        raise PluginError(problem)
    ready = bind(training, test) if getattr(model, "sees_test_law", False) else bind(training)
    if not callable(getattr(ready, "predict", None)):
        raise PluginError(f"{type(model).__name__}.bind: expected a model with predict, got {type(ready).__name__}")
    return ready  # type: ignore[no-any-return]


def bind_problem(model: object) -> str | None:
    """Return what is wrong with a learner's `bind`, None when nothing."""
    bind = getattr(model, "bind", None)
    if bind is None:
        return None
    reference = getattr(model, "sees_test_law", False)
    try:
        inspect.signature(bind).bind(*[None] * (2 if reference else 1))
    except TypeError:
        if reference:
            return f"{type(model).__name__}.bind: sees_test_law is True: expected bind(training, test)"
        return (
            f"{type(model).__name__}.bind: a learner is bound to its training law alone: expected bind(training); a"
            f" reference that needs the test law says `sees_test_law = True`; {MOVED}"
        )
    except ValueError:
        return None  # a callable without a signature
    return None


def build_model(suite: Suite, spec: ModelSpec) -> Model:
    """Return a suite's model, not yet bound; PluginError when it cannot be built or cannot predict."""
    model = catalogue.build("models", spec.use, spec.arguments, suite.folder)
    if not callable(getattr(model, "predict", None)):
        raise PluginError(f"{spec.use} has no method predict(prompts): expected a model")
    return model  # type: ignore[no-any-return]


def is_foreign(spec: ModelSpec) -> bool:
    """Tell whether a model comes from outside icl-bench, so that its contracts are checked while it runs."""
    return catalogue.is_foreign("models", spec.use)


def build_metrics(suite: Suite) -> dict[str, Metric]:
    """Return label -> metric for every metric of a suite, and after them the ones whose columns ratios need.

    What is built need not be a metric: `icl_bench.metric_contracts` says what it lacks. Raises SuiteError with every
    one that cannot be built, and where it was asked for.
    """
    built: dict[str, Metric] = {}
    problems: list[str] = []
    waiting = [(spec, spec.where) for spec in suite.metrics]
    while waiting:
        spec, where = waiting.pop(0)
        if spec.label in built:
            continue
        try:
            built[spec.label] = catalogue.build("metrics", spec.use, spec.arguments, suite.folder)
        except PluginError as error:
            problems.append(f"{where}: metric {spec.label!r}: {error}")
            continue
        waiting.extend((metric_spec(column), where) for column in _columns(built[spec.label]))
    if problems:
        raise SuiteError(problems)
    return built


def _columns(metric: Metric) -> list[str]:
    """Return the columns that a ratio is made of; none for another metric, or where the declaration is broken."""
    named = [declared(metric, name) for name in ("of", "over")] if is_ratio(metric) else []
    return [column for column in named if isinstance(column, str)]


def metric_cards(suite: Suite, metrics: Mapping[str, Metric]) -> dict[str, MetricCard]:
    """Return label -> card of metrics that `build_metrics` built and whose declarations are sound."""
    asked = {spec.label: spec for spec in suite.metrics}
    return {label: _card(asked.get(label) or metric_spec(label), label, metric) for label, metric in metrics.items()}


def _card(spec: MetricSpec, label: str, metric: Metric) -> MetricCard:
    ratio = is_ratio(metric)
    return MetricCard(
        use=spec.use,
        unit=metric.unit,
        direction=metric.direction,
        can_be_negative=metric.can_be_negative,
        role=metric.role,
        statistic=metric.statistic,
        needs_model=metric.needs_model,
        of=declared(metric, "of") if ratio else label,
        over=declared(metric, "over") if ratio else None,
        level=declared(metric, "level") if metric.statistic == "quantile" else None,
        reference=declared(metric, "reference") if metric.role == "distance" else None,
        arguments=json.loads(json.dumps(dict(spec.arguments), default=str)),  # a TOML date is no JSON
    )


def model_digest(suite: Suite, spec: ModelSpec) -> str:
    """Return the hex digest of what defines a model: name, arguments, its code, and the files that it is given."""
    content = [spec.use, _plain(spec.arguments), _origin("models", spec.use, suite.folder)]
    if spec.training is not None:
        factors = spec.training.factors or ()
        content += [repr(spec.training), *(_origin("scenarios", factor.use, suite.folder) for factor in factors)]
    return _digest([*content, *_files_given(suite, spec)])


def question_digest(suite: Suite) -> str:
    """Return the hex digest of all that a suite asks, models aside: its text's content and its plugins' code.

    An edited scenario file asks another question, though the suite that names it is the same.
    """
    uses = [("scenarios", factor.use) for spec in suite.scenarios for factor in spec.factors]
    uses += [("scenarios", factor.use) for factor in suite.training.factors or ()]
    uses += [("metrics", spec.use) for spec in suite.metrics]
    settings = [suite.prompts, *(spec.prompts for spec in suite.scenarios)]
    uses += [("function_classes", prompts.function_class) for prompts in settings]
    return _digest([suite.question_digest, sorted({_origin(kind, use, suite.folder) for kind, use in uses})])


def _digest(content: Any) -> str:
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


def _plain(arguments: Mapping[str, Any]) -> dict[str, str]:
    return {name: repr(value) for name, value in arguments.items()}


def _origin(kind: str, use: str, folder: Path) -> str:
    """Return what identifies a plugin's code: the package's digest, or its own file's (and its version)."""
    if catalogue.is_file_reference(use):
        return _file_digest(folder / use.rpartition(":")[0])
    entry = catalogue.find(kind, use)
    if entry.built_in:
        return code_digest()
    from importlib.util import find_spec

    found = find_spec(entry.module)
    file = Path(found.origin) if found and found.origin else None
    return f"{_package_version(entry.module)}/{_file_digest(file) if file and file.is_file() else entry.module}"


def _file_digest(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def _files_given(suite: Suite, spec: ModelSpec) -> list[list[str]]:
    """Return argument, name and digest of every file that a model's path arguments (`FileArgument`) point to."""
    try:
        cls = catalogue.plugin_class("models", spec.use, suite.folder)
    except PluginError:
        return []  # told where the model is built
    given = catalogue.file_arguments(cls, spec.arguments, suite.folder)
    found = []
    for argument, (path, marker) in sorted(given.items()):
        try:
            files = marker.content(path)
        except OSError:
            files = [path]
        found += [[argument, file.name, _known_digest(file)] for file in files]
    return found


def _known_digest(path: Path) -> str:
    """Return the digest of a file, read again only when it has changed; "absent" when it cannot be read."""
    try:
        status = path.stat()
        return _digest_at(path, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
    except OSError:
        return "absent"


@functools.lru_cache(maxsize=1024)
def _digest_at(path: Path, *_state: int) -> str:
    """Return the digest of a file in a state of it: when it was written, its size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


@functools.cache
def _package_version(module: str) -> str:
    from importlib.metadata import packages_distributions, version

    packages = packages_distributions().get(module.split(".")[0], [])
    return ",".join(f"{package}=={version(package)}" for package in sorted(packages)) or "unknown"


_ANSWERING = (
    "checkpoints",
    "evaluate",
    "function_classes",
    "laws",
    "metrics",
    "models",
    "networks",
    "scenarios",
    "solvers",
    "theory",
)


@functools.cache
def code_digest() -> str:
    """Return the hex digest of icl-bench's own code that draws, answers and scores, and of its version."""
    total = hashlib.blake2b(__version__.encode(), digest_size=16)
    package = Path(__file__).parent
    files = [package / name for name in ("assemble.py", "prompts.py", "seeding.py")]
    for folder in _ANSWERING:
        files.extend(sorted((package / folder).rglob("*.py")))
    for file in files:
        total.update(file.relative_to(package).as_posix().encode())
        total.update(file.read_bytes())
    return total.hexdigest()
