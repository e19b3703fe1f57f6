"""Risk over the zero predictor's risk: 0 is perfect, 1 is worthless."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from icl_bench.plugins.protocols import RatioMetric


@dataclass(frozen=True)
class NormalisedError(RatioMetric):
    """Risk over the zero predictor's risk: 0 is perfect, 1 is worthless. A ratio of means over prompts."""

    of: ClassVar[str] = "squared_error"
    over: ClassVar[str] = "zero_error"


METRIC = NormalisedError
