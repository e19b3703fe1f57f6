"""Risk over the zero predictor's risk: 0 is perfect, 1 is worthless."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.plugins.bases import RatioMetric


@dataclass(frozen=True)
class NormalisedError(RatioMetric):
    """Risk over the zero predictor's risk: 0 is perfect, 1 is worthless. A ratio of means over prompts."""

    of = "squared_error"
    over = "zero_error"


METRIC = NormalisedError
