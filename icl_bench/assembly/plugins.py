"""From names to objects: models, scenarios and metrics built, and models told the laws that they are bound to."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

from icl_bench.errors import MOVED, PluginError, SuiteError
from icl_bench.laws.law import PromptLaw
from icl_bench.plugins import loading
from icl_bench.plugins.protocols import Metric, Model, Scenario, declared, is_ratio
from icl_bench.suites.suite import MetricSpec, ModelSpec, Suite, metric_spec
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


def build_metrics(suite: Suite) -> dict[str, Metric]:
    """Return label -> metric for every metric of a suite, and after them the ones that ratios and skill need.

    What is built need not be a metric: `icl_bench.contracts.metric_declarations` says what it lacks. Raises SuiteError
    with every one that cannot be built, and where it was asked for.
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
    """Return the columns that a ratio is made of, or that are stored beside a metric; none where that is broken."""
    beside = declared(metric, "beside")
    named = [declared(metric, name) for name in ("of", "over")] if is_ratio(metric) else []
    named += beside if isinstance(beside, tuple) else ()
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
