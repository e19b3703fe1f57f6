"""Excess risk over the zero predictor's risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from icl_bench.plugins.protocols import RatioMetric


@dataclass(frozen=True)
class NormalisedExcessRisk(RatioMetric):
    """Excess risk over the zero predictor's risk. A ratio of means over prompts."""

    of: ClassVar[str] = "excess_risk"
    over: ClassVar[str] = "zero_error"


METRIC = NormalisedExcessRisk
