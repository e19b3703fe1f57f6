"""What a manifest keeps of each metric, so that readers need no list of metric names and import no metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class MetricCard:
    """A metric's declarations (`icl_bench.protocols.Metric`) and how the suite asked for it."""

    use: str  # what the suite asked for: a name of the catalogue, or ./file.py:Name
    unit: str  # of a loss: squared label, label, nat, 1 for a pure number; empty where versions 1 and 2 did not say
    direction: str  # lower | higher: which is better
    can_be_negative: bool  # whether a loss can be below 0; one that cannot is at its best at the truth
    role: str | None  # what readers may take it for: see below; null for none
    statistic: str  # what summarises the losses: mean | ratio of means | quantile | worst group
    needs_model: bool  # false for a property of the prompts alone
    of: str  # the stored column that it summarises: its own label, but for a ratio
    over: str | None = None  # of a ratio: the column whose mean divides it
    level: float | None = None  # of a quantile
    reference: str | None = None  # of a distance: the model whose answers it is measured from
    arguments: Mapping[str, Any] = field(default_factory=dict)  # the metric's own, as the suite gave them
    meaning: str = ""  # what a loss is, one line; empty where the metric does not say; since version 4


def group_column(label: str) -> str:
    """Return the stored column that holds each prompt's group, for a metric summarised by its worst group.

    No label has a space in it.
    """
    return f"{label} group"
