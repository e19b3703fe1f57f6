"""What a metric must declare: its members, its label in a suite, and what it refers to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, get_args

from icl_bench.errors import PluginError
from icl_bench.plugins import catalogue
from icl_bench.plugins.protocols import MISSING, Direction, Metric, Role, Statistic, declared, is_ratio
from icl_bench.tables.schema import losses_schema

MEMBERS_PAGE = "docs/plugins-0.2.md"
LOW, HIGH = ("_error", "_risk", "_loss"), "_score"


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    expected: str
    sound: Callable[[Any], bool]


def _one_of(choices: Any) -> tuple[str, Callable[[Any], bool]]:
    listed = get_args(choices)
    return " or ".join(f'"{choice}"' for choice in listed), lambda value: isinstance(value, str) and value in listed


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


_ROLE, _IS_ROLE = _one_of(Role)
_DECLARED = (
    _Member("unit", 'a text such as "squared label", "label", "nat" or "1" (a pure number)', _is_text),
    _Member("direction", *_one_of(Direction)),
    _Member("can_be_negative", "True or False", _is_truth),
    _Member("role", f"{_ROLE} or None", lambda value: value is None or _IS_ROLE(value)),
    _Member("statistic", *_one_of(Statistic)),
    _Member("needs_model", "True or False", _is_truth),
)
_OF_LOSSES = (
    _Member("losses", "a method losses(answer) that returns (prompt, query)", callable),
    _Member("tail_index", "a method tail_index(answer, context_size) that returns a number or None", callable),
)
_OF_RATIOS = (
    _Member("of", "the label of the metric that is divided", _is_text),
    _Member("over", "the label of the metric that divides", _is_text),
)
_LEVEL = _Member(
    "level", "a number between 0 and 1", lambda value: isinstance(value, Real) and 0.0 < float(value) < 1.0
)
_GROUPS = _Member("groups", "a method groups(answer) that returns a whole number per prompt", callable)
_REFERENCE = _Member("reference", "the name of the model whose answers the distance is to", _is_text)


def metric_problems(metric: object, label: str = "") -> list[str]:
    """Return which members a metric lacks or declares wrongly; empty when its declarations are sound.

    `label` is what the suite calls it: one that ends in _error, _risk or _loss must be better low, in _score high.
    """
    members = [*_DECLARED, *(_OF_RATIOS if is_ratio(metric) else _OF_LOSSES)]
    statistic, role = declared(metric, "statistic"), declared(metric, "role")
    members += [_LEVEL] * (_is_text(statistic) and statistic == "quantile")
    members += [_GROUPS] * (_is_text(statistic) and statistic == "worst group")
    members += [_REFERENCE] * (_is_text(role) and role == "distance")
    problems = [text for member in members if (text := _member_problem(metric, member))]
    return problems or list(_contradictions(metric, label))


def problems_in_suite(label: str, metrics: Mapping[str, Metric]) -> list[str]:
    """Return what is wrong with one of a suite's metrics: its declarations, its label, and whatever it refers to."""
    metric = metrics[label]
    return metric_problems(metric, label) or list(_wrong_references(label, metrics))


def _wrong_references(label: str, metrics: Mapping[str, Metric]) -> Iterator[str]:
    metric: Any = metrics[label]
    if label in losses_schema([]).names:
        yield f"the tables have a column {label!r} already: give the metric another `name`"
    if is_ratio(metric):
        for member in ("of", "over"):
            if is_ratio(metrics[declared(metric, member)]):
                yield f"member {member!r}: expected a metric that stores losses, got the ratio {metric.of!r}"
    elif metric.role == "distance" and not catalogue.is_file_reference(metric.reference):
        try:
            catalogue.find("models", metric.reference)
        except PluginError as error:
            yield f"member 'reference': {error}"


def _member_problem(metric: object, member: _Member) -> str:
    value = declared(metric, member.name)
    if value is MISSING:
        return (
            f"it has no member {member.name!r}: expected {member.expected}"
            f" ({MEMBERS_PAGE} lists what a metric must have)"
        )
    if isinstance(value, Exception):
        return f"member {member.name!r} cannot be read: {type(value).__name__}: {value}"
    return "" if member.sound(value) else f"member {member.name!r}: expected {member.expected}, got {value!r}"


def _contradictions(metric: Any, label: str) -> Iterator[str]:
    """Yield what does not go together in sound declarations."""
    wanted = "lower" if label.endswith(LOW) else "higher" if label.endswith(HIGH) else metric.direction
    if metric.direction != wanted:
        yield (
            f"member 'direction': a metric called {label!r} is better {'low' if wanted == 'lower' else 'high'},"
            f" but it declares {metric.direction!r}; give it another name or direction"
        )
    if metric.role in ("signal", "bayes_risk", "bayes_signal") and metric.needs_model:
        yield f"member 'needs_model': expected False, since the role {metric.role!r} is of the prompts alone"
    if metric.role in ("risk", "excess", "distance") and not metric.needs_model:
        yield f"member 'needs_model': expected True, since the role {metric.role!r} is of a model's answers"
