"""Where prompts are drawn: a scenario at one severity, whatever the seed. One record for plans, tables and readers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Severity = float | None

_BETWEEN = " x "


def severity_text(severities: tuple[Severity, ...]) -> str:
    """Return severities as text: `0.333`, `2 x 0.25` for a product, empty without a dial."""
    return _BETWEEN.join(f"{severity:.4g}" for severity in severities if severity is not None)


@dataclass(frozen=True, slots=True)
class Place:
    """One scenario at one severity; equal to another of the same scenario and severities."""

    scenario: str  # label, axis first: `covariate/scale`
    severities: tuple[Severity, ...]  # one a factor of the scenario; None: the factor has no dial
    identity: bool | None = field(default=None, compare=False)  # whether it is unshifted; None for a product

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Place:
        """Return the place of a row of scores; older tables have no column `severities`, and text stands in for it."""
        severities = row.get("severities")
        if severities is None:
            severities = _severities(row["severity"], row["severity_label"])
        return cls(row["scenario"], tuple(severities), row["identity"])

    @property
    def severity(self) -> Severity:
        """The dial, None when there is none or more than one."""
        return self.severities[0] if len(self.severities) == 1 else None

    @property
    def label(self) -> str:
        """The severities as text, empty without a dial."""
        return severity_text(self.severities)

    @property
    def name(self) -> str:
        """`covariate/scale 2`."""
        return f"{self.scenario} {self.label}".strip()

    @property
    def axis(self) -> str:
        """The scenario's label up to the slash."""
        return self.scenario.partition("/")[0]

    @property
    def inner(self) -> str:
        """The scenario's label after the slash; all of it when it has none."""
        return self.scenario.partition("/")[2] or self.scenario

    @property
    def order(self) -> tuple[float, ...]:
        """Sorts the places of one scenario by severity, a joint shift's by its severities in turn."""
        return tuple(math.inf if severity is None else severity for severity in self.severities)

    def with_seed(self, seed: int) -> str:
        """Return what a manifest calls the prompts of the place and a seed: scenario/severity/seed."""
        return "/".join(part for part in (self.scenario, self.label, str(seed)) if part)


def _severities(severity: Severity, text: str) -> tuple[Severity, ...]:
    """Return the severities that a row of an older table names, those of a joint shift as exact as its text."""
    if severity is not None or not text:
        return (severity,)
    return tuple(_number(part) for part in text.split(_BETWEEN))


def _number(text: str) -> Severity:
    try:
        return float(text)
    except ValueError:
        return None
