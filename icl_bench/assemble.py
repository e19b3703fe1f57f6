"""From names to objects: models and metrics of a suite, and the digests of what defines them."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from icl_bench import __version__
from icl_bench.digests import bytes_digest, content_digest, file_digest
from icl_bench.errors import MOVED, PluginError, SuiteError
from icl_bench.laws.law import PromptLaw
from icl_bench.plugins import catalogue, loading
from icl_bench.plugins.arguments import file_arguments
from icl_bench.plugins.protocols import Metric, Model, Scenario, declared, is_ratio
from icl_bench.shipped import package_root
from icl_bench.suite import (
    MetricSpec,
    ModelSpec,
    Suite,
    metric_spec,
)
from icl_bench.tables.metric_cards import MetricCard


def load_model(name: str, **arguments: Any) -> Model:
    """Return a model by name or by `./file.py:Name`; PluginError when it cannot be built.

    A model that follows from its training law (`linear_self_attention`, ...) is asked through `bind(training)`;
    `bayes`, which sees the test law, through `bind(training, test)`.
    """
    model: Model = loading.build("models", name, arguments)
    return model


def load_scenario(name: str, **arguments: Any) -> Scenario:
    """Return a scenario by name (`covariate/scale`) or by `./file.py:Name`; PluginError when it cannot be built."""
    scenario: Scenario = loading.build("scenarios", name, arguments)
    return scenario


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
    """Return a suite's model, not yet bound; PluginError when it cannot be built, or answers nothing."""
    model = loading.build("models", spec.use, spec.arguments, suite.folder)
    if not any(callable(getattr(model, member, None)) for member in ("predict", "bind")):
        raise PluginError(
            f"{spec.use} has no method predict(prompts), nor bind(training) that returns what has: expected a model"
        )
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
            built[spec.label] = loading.build("metrics", spec.use, spec.arguments, suite.folder)
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
        meaning=_first_line(type(metric)),
    )


def _first_line(cls: type) -> str:
    """Return the first line of a class's own docstring; empty without one, for which a dataclass has its signature."""
    doc = (cls.__doc__ or "").strip()
    return "" if doc.startswith(f"{cls.__name__}(") else doc.partition("\n")[0]


def model_digest(suite: Suite, spec: ModelSpec) -> str:
    """Return the hex digest of what defines a model: name, arguments, its code, and the files that it is given."""
    content = [spec.use, _plain(spec.arguments), _origin("models", spec.use, suite.folder)]
    if spec.training is not None:
        factors = spec.training.factors or ()
        content += [repr(spec.training), *(_origin("scenarios", factor.use, suite.folder) for factor in factors)]
    return content_digest([*content, *_files_given(suite, spec)])


def question_digest(suite: Suite) -> str:
    """Return the hex digest of all that a suite asks, models aside: its text's content and its plugins' code.

    An edited scenario file asks another question, though the suite that names it is the same.
    """
    uses = [("scenarios", factor.use) for spec in suite.scenarios for factor in spec.factors]
    uses += [("scenarios", factor.use) for factor in suite.training.factors or ()]
    uses += [("metrics", spec.use) for spec in suite.metrics]
    settings = [suite.prompts, *(spec.prompts for spec in suite.scenarios)]
    uses += [("function_classes", prompts.function_class) for prompts in settings]
    return content_digest([suite.question_digest, sorted({_origin(kind, use, suite.folder) for kind, use in uses})])


def _plain(arguments: Mapping[str, Any]) -> dict[str, str]:
    return {name: repr(value) for name, value in arguments.items()}


def _origin(kind: str, use: str, folder: Path) -> str:
    """Return what identifies a plugin's code: the package's digest, or its own file's (and its version)."""
    if catalogue.is_file_reference(use):
        return file_digest(folder / use.rpartition(":")[0])
    entry = catalogue.find(kind, use)
    if entry.built_in:
        return code_digest()
    from importlib.util import find_spec

    found = find_spec(entry.module)
    file = Path(found.origin) if found and found.origin else None
    return f"{_package_version(entry.module)}/{file_digest(file) if file and file.is_file() else entry.module}"


def _files_given(suite: Suite, spec: ModelSpec) -> list[list[str]]:
    """Return argument, name and digest of every file that a model's path arguments (`FileArgument`) point to."""
    try:
        cls = loading.plugin_class("models", spec.use, suite.folder)
    except PluginError:
        return []  # told where the model is built
    given = file_arguments(cls, spec.arguments, suite.folder)
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
    return file_digest(path)


@functools.cache
def _package_version(module: str) -> str:
    from importlib.metadata import packages_distributions, version

    packages = packages_distributions().get(module.split(".")[0], [])
    return ",".join(f"{package}=={version(package)}" for package in sorted(packages)) or "unknown"


ANSWERS = frozenset(
    {
        "arrays",
        "assemble",
        "assembly",
        "checkpoints",
        "contracts",
        "digests",
        "evaluate",
        "function_classes",
        "laws",
        "looked_up",
        "metric_contracts",
        "metrics",
        "models",
        "networks",
        "places",
        "plan",
        "plugins",
        "prompts",
        "scenarios",
        "scoring",
        "seeding",
        "solvers",
        "statistics",
        "theory",
    }
)
"""Modules and folders of the package that move a number or a status of a row of scores: the code digest covers them."""

READS = frozenset(
    {
        "__init__",
        "architecture_contracts",
        "cli",
        "compare",
        "devices",
        "errors",
        "execution",
        "executor_contracts",
        "executors",
        "files",
        "function_class_contracts",
        "patterns",
        "provenance",
        "rendering",
        "report",
        "run",
        "run_folder",
        "run_scores",
        "section_reader",
        "shipped",
        "suite",
        "suite_file",
        "suite_sections",
        "tables",
        "text",
        "toml_lines",
        "training",
        "validation",
        "zoo",
    }
)
"""The others: they read, store, check, run or show. Settings and weights have digests of their own."""


@functools.cache
def code_digest(package: Path | None = None) -> str:
    """Return the hex digest of icl-bench's own code that draws, answers and scores, and of its version.

    `package` is the folder of the code, the installed one unless told. Every name in `ANSWERS` must be there.
    """
    parts = [__version__.encode()]
    root = package or package_root()
    for name in sorted(ANSWERS):
        folder = root / name
        for file in sorted(folder.rglob("*.py")) if folder.is_dir() else [root / f"{name}.py"]:
            parts += [file.relative_to(root).as_posix().encode(), file.read_bytes()]
    return bytes_digest(parts)
