"""A comparison as plain values for JSON: every cell, every context size, every number that was computed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from icl_bench.compare.cells import ComparedCell, Uncompared
from icl_bench.compare.changes import CUT_MEAN, MEAN, share
from icl_bench.compare.comparison import Comparison
from icl_bench.compare.judging import CONFIDENCE, HEADLINE_SHARE, POWER, JudgedCell
from icl_bench.compare.limits import RELATIVE_FLOOR

FORMAT_VERSION = 1


def record(comparison: Comparison) -> dict[str, Any]:
    """Return what `--format json` prints, but for the verdict; docs/compare.md says what each key means."""
    settings = comparison.settings
    return {
        "format": "icl-bench comparison",
        "format_version": FORMAT_VERSION,
        "base": str(comparison.base),
        "head": str(comparison.head),
        "suite": comparison.suite,
        "suite_version": comparison.suite_version,
        "metric": comparison.changes.metric,
        "margin": settings.margin,
        "alpha": settings.alpha,
        "sizes": settings.sizes,
        "allow_missing": settings.allow_missing,
        "confidence": CONFIDENCE,
        "power": POWER,
        "headline_share": HEADLINE_SHARE,
        "relative_floor": RELATIVE_FLOOR,
        "counts": comparison.counts,
        "cells": [_cell(judged) for judged in comparison.cells],
        "not_compared": uncompared_records(comparison.changes.uncompared),
        "skill": dataclasses.asdict(comparison.skills),
        "run_level": dataclasses.asdict(comparison.scores),
        "notes": list(comparison.changes.notes),
    }


def cell_record(cell: ComparedCell) -> dict[str, Any]:
    """Return what names a cell."""
    return {
        "model": cell.model,
        "scenario": cell.place.scenario,
        "severity": cell.place.severity,
        "severity_label": cell.place.label,
    }


def uncompared_records(uncompared: Sequence[Uncompared]) -> list[dict[str, Any]]:
    """Return cells that were not compared, each with the reason."""
    return [
        {
            **cell_record(item.cell),
            "seed": item.seed,
            "kind": item.kind,
            "base": item.base,
            "head": item.head,
            "message": item.message,
        }
        for item in uncompared
    ]


def _cell(judged: JudgedCell) -> dict[str, Any]:
    found = judged.found
    columns = {
        "context_size": list(found.sizes),
        "statistic": [MEAN if by_mean else CUT_MEAN for by_mean in found.by_mean.tolist()],
        "base": found.base_risk.tolist(),
        "head": found.head_risk.tolist(),
        "change": list(map(share, found.change.value)),
        "low": list(map(share, judged.low)),
        "high": list(map(share, judged.high)),
        "p_worse": judged.p_worse.tolist(),
        "p_better": judged.p_better.tolist(),
    }
    names, at = list(columns), found.headline
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return {
        **cell_record(found.cell),
        "seeds": list(found.seeds),
        "n_prompts": found.n_prompts,
        "verdict": judged.verdict,
        "headline": rows[at],
        "smallest_detectable": judged.detectable,
        "significantly_worse_at": list(judged.worse_sizes),
        "significantly_better_at": list(judged.better_sizes),
        "sizes": rows,
    }
