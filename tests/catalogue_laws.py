"""Laws of the whole catalogue, for tests that attach themselves to all that is in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from icl_bench.assembly.laws import base_law
from icl_bench.assembly.products import shifted_by
from icl_bench.errors import DocumentError, SuiteError
from icl_bench.laws.law import PromptLaw
from icl_bench.places import Severity
from icl_bench.plugins import catalogue, loading
from icl_bench.plugins.protocols import Scenario
from icl_bench.suites.suite import Factor, PromptSettings

TABLE_DIMS = 10
"""Columns of the bundled table."""


def linear_law(n_dims: int, sizes: Sequence[int], noise_std: float = 0.5, **arguments: Any) -> PromptLaw:
    """The law that suites name when they name nothing: w ~ N(0, I), x ~ N(0, I), Gaussian noise."""
    return class_law("linear", n_dims, sizes, noise_std, arguments)


def table_law(sizes: Sequence[int]) -> PromptLaw:
    """Prompts from rows of the bundled table."""
    return class_law("table", TABLE_DIMS, sizes, 0.0, {})


def class_law(
    name: str, n_dims: int, sizes: Sequence[int], noise_std: float, arguments: Mapping[str, Any]
) -> PromptLaw:
    """The unshifted law of a function class, built as suites build it."""
    settings = PromptSettings(
        n_dims=n_dims,
        context_sizes=tuple(sizes),
        queries_per_context=1,
        noise_std=noise_std,
        n_prompts=256,
        function_class=name,
        function_class_arguments=dict(arguments),
    )
    return base_law(settings, Path())


def scenario(name: str, **arguments: Any) -> Scenario:
    """A scenario of the catalogue."""
    built: Scenario = loading.build("scenarios", name, arguments)
    return built


@dataclass(frozen=True)
class Shift:
    """One factor: a scenario with its arguments, at a severity."""

    name: str
    severity: Severity
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        named = ", ".join(f"{key}={value}" for key, value in self.arguments.items())
        dial = "" if self.severity is None else f" {self.severity:.3g}"
        return f"{self.name}{f'({named})' if named else ''}{dial}"


class RefusedError(ValueError):
    """A product that cannot be had."""


def shifted(law: PromptLaw, *shifts: Shift) -> PromptLaw:
    """The law under a product, as suites assemble it; RefusedError with the reason."""

    def refused(factor: Factor, why: str) -> DocumentError:
        return SuiteError([f"{factor.use} {why}"])

    factors = [Factor(shift.name, shift.arguments) for shift in shifts]
    try:
        return shifted_by(law, factors, [shift.severity for shift in shifts], Path(), refused)
    except SuiteError as error:
        raise RefusedError(str(error)) from error


def carrier(name: str, n_dims: int, sizes: Sequence[int]) -> PromptLaw:
    """The base law that carries a scenario at every usual severity: the linear one, else the table's."""
    laws = (linear_law(n_dims, sizes), table_law(sizes))
    reasons = []
    for law in laws:
        try:
            for severity in scenario(name).severities:
                shifted(law, Shift(name, severity))
        except RefusedError as error:
            reasons.append(str(error))
        else:
            return law
    raise AssertionError(f"no base law of these tests carries {name}: {'; '.join(reasons)}; add one to `carrier`")


def moving_severities(name: str, law: PromptLaw) -> list[Severity]:
    """The usual severities that are not the identity."""
    built = scenario(name)
    identity = built.identity(law)
    return [severity for severity in built.severities if identity is None or severity != identity]


def usual_shift(name: str, law: PromptLaw, longest: float = 2.0) -> Shift:
    """The last usual severity but the identity, of those that make prompts at most `longest` times as long."""
    most = longest * law.sizes.n_context
    moving = moving_severities(name, law)
    return Shift(name, [s for s in moving if shifted(law, Shift(name, s)).sizes.n_context <= most][-1])


def at_sizes(law: PromptLaw, sizes: Sequence[int], queries: int = 1) -> PromptLaw:
    """The same law, shifted or not, asked at other sizes."""
    asked = replace(law.sizes, context_sizes=tuple(sorted(set(sizes))), queries_per_context=queries)
    return replace(law, sizes=asked)


def column(law: PromptLaw, size: int, repeat: int = 0) -> int:
    """Where the repeat-th query of a size stands among all."""
    return law.sizes.context_sizes.index(size) * law.sizes.queries_per_context + repeat


def usual_laws(n_dims: int, sizes: Sequence[int]) -> Iterator[tuple[str, PromptLaw]]:
    """Every scenario at every usual severity, by name, on the law that carries it."""
    for name in sorted(catalogue.entries("scenarios")):
        law = carrier(name, n_dims, sizes)
        for severity in scenario(name).severities:
            shift = Shift(name, severity)
            yield str(shift), shifted(law, shift)
