"""Cards of the catalogue's metrics, for the manifests of made-up runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from icl_bench.assembly.plugins import build_metrics, metric_cards
from icl_bench.suites.suite import metric_spec
from icl_bench.suites.suite_file import load_suite
from icl_bench.tables.metric_cards import MetricCard

ANY_SUITE = Path(__file__).parent.parent / "suites" / "quick.toml"


def cards_of(labels: Sequence[str]) -> dict[str, MetricCard]:
    """Return label -> card, as a run of a suite with these metrics has them."""
    suite = dataclasses.replace(load_suite(ANY_SUITE), metrics=tuple(map(metric_spec, labels)))
    return metric_cards(suite, build_metrics(suite))
