"""What a manifest keeps of each metric, so that readers need no list of metric names and import no metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class MetricCard:
    """A metric's declarations (`icl_bench.plugins.protocols.Metric`) and how the suite asked for it."""

    use: str  # name in the catalogue, or ./file.py:Name
    unit: str  # "squared label", "label", "nat", "1"
    direction: str  # lower | higher
    can_be_negative: bool
    role: str | None  # signal | bayes_risk | risk | excess | distance
    statistic: str  # mean | ratio of means | quantile | worst group
    needs_model: bool  # False: a property of the prompts alone
    of: str  # the stored column that it summarises: its own label, but for a ratio
    over: str | None = None  # the column whose mean divides it
    level: float | None = None  # of a quantile
    reference: str | None = None  # of a distance: the model whose answers it is measured from
    arguments: Mapping[str, Any] = field(default_factory=dict)
    meaning: str = ""  # one line: what the metric is; empty before schema version 4


def group_column(label: str) -> str:
    """Return the stored column that holds each prompt's group, for a metric summarised by its worst group.

    No label has a space in it.
    """
    return f"{label} group"
