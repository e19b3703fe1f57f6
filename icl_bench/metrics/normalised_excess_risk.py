"""Excess risk over the zero predictor's risk."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.plugins.bases import RatioMetric


@dataclass(frozen=True)
class NormalisedExcessRisk(RatioMetric):
    """Excess risk over the zero predictor's risk. A ratio of means over prompts."""

    of = "excess_risk"
    over = "zero_error"


METRIC = NormalisedExcessRisk
