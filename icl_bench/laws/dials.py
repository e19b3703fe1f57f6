"""The base of scenarios: one dial with its grid, its identity, its refusal, and the name that its draws go by."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from icl_bench.laws.law import STAGES, PromptLaw, Stage

_PACKAGE = "icl_bench.scenarios."


def factor_name(scenario: object) -> str:
    """Return the name that a scenario's random streams go by: as it is registered, else its `name`, else its class."""
    module = type(scenario).__module__
    if module.startswith(_PACKAGE):
        return module.removeprefix(_PACKAGE).replace(".", "/")
    return str(getattr(scenario, "name", None) or type(scenario).__name__)


def factors_of(law: PromptLaw) -> set[str]:
    """Return the names of the factors whose parts a law holds."""
    return {placed.factor for placed in (*law.covariates, *law.query, *law.labels, *law.observe)}


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`; of the two ends only those that are `closed` belong to it."""

    low: float = -math.inf
    high: float = math.inf
    closed: Literal["low", "high", "both", "neither"] = "neither"

    def __contains__(self, number: float) -> bool:
        if number == self.low:
            return self.closed in ("low", "both")
        if number == self.high:
            return self.closed in ("high", "both")
        return self.low < number < self.high


FINITE = Range()
POSITIVE = Range(low=0.0)
NOT_NEGATIVE = Range(low=0.0, closed="low")
FRACTION = Range(0.0, 1.0, closed="both")


class Dial(ABC):
    """A scenario with one dial. Subclasses give the grid, the identity, what the dial takes, and the shifted law.

    stage: what the scenario changes, which decides its place in a product; replaces: whether it puts another base part
    (task prior, noise) in the place of the law's, so that two of those are refused; once: whether the dial sets a value
    that a second of the same scenario would undo.
    """

    severities: tuple[float | None, ...]
    unshifted: float | None = None
    takes: Range | tuple[float, ...] = ()  # the tuple: places of a switch
    expected: str  # the same in words, for messages: "a scale c > 0"
    stage: Stage
    replaces: bool = False
    once: bool = False

    def identity(self, law: PromptLaw) -> float | None:
        """Return the severity at which `shift` returns the law itself, None when there is none."""
        return self.unshifted

    def accepts(self, severity: float, law: PromptLaw) -> bool:
        """Tell whether a severity makes sense for a law: is one that the dial `takes`; nan never comes here."""
        return severity in self.takes

    @abstractmethod
    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the shifted law; ValueError when the law cannot carry the scenario."""

    def shift(self, law: PromptLaw, severity: float | None) -> PromptLaw:
        """Return the shifted law; ValueError for a severity outside the dial, or a law that cannot carry it."""
        if severity is None or math.isnan(severity) or not self.accepts(severity, law):
            raise ValueError(f"expected {self.expected}, got {severity}")
        if severity == self.identity(law):
            return law
        if law.factor:
            return self.shifted(law, severity)
        return self.shifted(law.under(_free_name(self, law)), severity).under("")

    def headline_size(self, law: PromptLaw) -> int | None:
        """Return the context size that summaries show under the scenario; None: as the training length has it."""
        return None


def _free_name(scenario: Dial, law: PromptLaw) -> str:
    name, taken, number = factor_name(scenario), factors_of(law), 2
    free = name
    while free in taken:
        free, number = f"{name}#{number}", number + 1
    return free


def stage_of(scenario: object, before: PromptLaw, after: PromptLaw) -> Stage:
    """Return the stage of a scenario: as it declares, else the first one in which the shifted law differs."""
    declared = getattr(scenario, "stage", None)
    if declared is not None:
        if declared not in STAGES:
            raise ValueError(f"stage: expected one of {', '.join(STAGES)}, got {declared!r}")
        return declared  # type: ignore[no-any-return]
    return next(iter(changed_stages(before, after)), "sizes")


def changed_stages(before: PromptLaw, after: PromptLaw) -> tuple[Stage, ...]:
    """Return the stages in which two laws differ, in the order of drawing."""
    changed = {
        "sizes": before.sizes != after.sizes,
        "covariates": before.covariates != after.covariates or before.rows != after.rows,
        "query": before.query != after.query,
        "task": before.prior != after.prior,
        "labels": before.noise != after.noise or before.labels != after.labels,
        "observe": before.observe != after.observe,
    }
    return tuple(stage for stage in STAGES if changed[stage])
