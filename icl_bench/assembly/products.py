"""Factors of a product, named and put in order: what a scenario, or several together, make of a law."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from icl_bench.errors import DocumentError
from icl_bench.laws.dials import factor_name, stage_of
from icl_bench.laws.law import STAGES, PromptLaw
from icl_bench.laws.sizes import Sizes
from icl_bench.places import Severity
from icl_bench.plugins import catalogue, loading
from icl_bench.plugins.protocols import Scenario
from icl_bench.suites.suite import Factor


def told(question: Callable[[Any], str | None], plugin: object) -> str | None:
    """Return what is wrong with a plugin's members; one that raises when it is looked at is wrong too."""
    try:
        return question(plugin)
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}"


@dataclass(frozen=True, slots=True)
class NamedFactor:
    """One factor of a product, built, with the name that its random streams go by."""

    factor: Factor
    scenario: Scenario
    name: str
    foreign: bool  # from outside icl-bench
    refused: Callable[[Factor, str], DocumentError]

    def identity(self, law: PromptLaw) -> Severity:
        """Return the severity at which the scenario leaves a law as it is, None when there is none."""
        identity = self.asked(lambda: self.scenario.identity(law))
        if identity is not None and (isinstance(identity, bool) or not isinstance(identity, int | float)):
            raise self.refused(self.factor, f"identity: expected a number or None, got {identity!r}")
        return identity

    def headline_size(self, law: PromptLaw) -> int | None:
        """Return the context size that summaries show under the scenario, where it has one of its own."""
        own = getattr(self.scenario, "headline_size", None)
        size = self.asked(lambda: own(law)) if callable(own) else None
        if size is not None and not isinstance(size, int):
            raise self.refused(self.factor, f"headline_size: expected a whole number or None, got {size!r}")
        return size

    def asked(self, question: Callable[[], Any], at: str = "") -> Any:
        """Return the answer; what is raised becomes the scenario's refusal, told with what it was asked `at`."""
        try:
            return question()
        except DocumentError:
            raise
        except ValueError as error:
            raise self.refused(self.factor, f"{at}: {error}") from error
        except (Exception, SystemExit) as error:
            raise self.refused(self.factor, f"{at} fails: {type(error).__name__}: {error}".strip()) from error


@dataclass(frozen=True, slots=True)
class SetFactor:
    """One factor of a product with its dial set."""

    named: NamedFactor
    severity: Severity

    def shift(self, law: PromptLaw) -> PromptLaw:
        """Return the shifted law; what the scenario raises becomes its refusal."""
        named = self.named
        shifted = self._asked(lambda: named.scenario.shift(law.under(named.name), self.severity))
        if not isinstance(shifted, PromptLaw):
            raise named.refused(named.factor, f"shift: expected a PromptLaw, got {type(shifted).__name__}")
        if not isinstance(shifted.sizes, Sizes):
            raise named.refused(named.factor, f"shift: sizes: expected Sizes, got {type(shifted.sizes).__name__}")
        return shifted.under("")

    def changes(self, law: PromptLaw) -> bool:
        """Tell whether the severity is another than the unshifted one."""
        identity = self.named.identity(law)
        return identity is None or self.severity != identity

    def place(self, law: PromptLaw) -> tuple[int, bool]:
        """Return where the factor comes in a product: by stage, and what replaces a part before what wraps it."""
        scenario = self.named.scenario
        stage = self._asked(lambda: stage_of(scenario, law, law if _declared(scenario) else self.shift(law)))
        return STAGES.index(stage), not getattr(scenario, "replaces", False)

    def _asked(self, question: Callable[[], Any]) -> Any:
        return self.named.asked(question, f"at severity {self.severity}")


def _declared(scenario: Scenario) -> bool:
    return getattr(scenario, "stage", None) is not None


def shifted_by(
    law: PromptLaw,
    factors: Sequence[Factor],
    point: Sequence[Severity],
    folder: Path,
    refused: Callable[[Factor, str], DocumentError],
) -> PromptLaw:
    """Build the factors and return `law` shifted by them; where a severity is refused, raise `refused(factor, why)`."""
    return shifted(law, with_dials(named_factors(factors, folder, refused), point))


def shifted(law: PromptLaw, factors: Sequence[SetFactor]) -> PromptLaw:
    """Return `law` shifted by every factor of a product; what one refuses is raised as it says.

    Factors are applied by stage, within a stage what replaces a base part before what wraps it, else as listed. Two
    that replace the same part are refused: the first would be lost.
    """
    order = {item.named.name: item.place(law) for item in factors}
    replacing: dict[int, str] = {}
    for item in factors:
        named = item.named
        stage, wraps = order[named.name]
        if wraps or not item.changes(law):
            continue
        if stage in replacing:
            why = f"and {replacing[stage]} put another law in the same place, the first would be lost: expected one"
            raise named.refused(named.factor, why)
        replacing[stage] = named.name
    for item in sorted(factors, key=lambda item: order[item.named.name]):
        law = item.shift(law)
    return law


def with_dials(named: Sequence[NamedFactor], point: Sequence[Severity]) -> list[SetFactor]:
    """Return factors with their dials set to a point, one severity per factor."""
    return [SetFactor(item, severity) for item, severity in zip(named, point, strict=True)]


def named_factors(
    factors: Sequence[Factor], folder: Path, refused: Callable[[Factor, str], DocumentError]
) -> list[NamedFactor]:
    """Build the factors of a product, in the order listed; the second of a name is `name#2`, identities included."""
    seen: Counter[str] = Counter()
    named = []
    for factor in factors:
        scenario: Scenario = loading.build("scenarios", factor.use, factor.arguments, folder)
        missing = told(scenario_problem, scenario)
        if missing:
            raise refused(factor, missing)
        name = factor_name(scenario) if catalogue.is_file_reference(factor.use) else factor.use
        seen[name] += 1
        if seen[name] > 1 and getattr(scenario, "once", False):
            raise refused(factor, "sets a value: a second one in a product would undo the first; expected one of them")
        unique = name if seen[name] == 1 else f"{name}#{seen[name]}"
        named.append(NamedFactor(factor, scenario, unique, catalogue.is_foreign("scenarios", factor.use), refused))
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
