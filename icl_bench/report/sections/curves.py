"""Normalised error against context size, unshifted and under the worst covariate shift."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from icl_bench.report.section import Content, Section
from icl_bench.scores.summary import Summary

TITLE = "Normalised error against context size"


def content(summary: Summary) -> Content | None:
    """Return the curves; None without any."""
    return Content(TITLE, curves=summary.curves) if summary.curves else None


def records(summary: Summary) -> Iterator[dict[str, Any]]:
    """Yield the curves point by point."""
    for curve in summary.curves:
        for line in curve.lines:
            for point in line.points:
                yield {
                    "scenario": curve.scenario,
                    "severity_label": curve.label,
                    "model": line.name,
                    "context_size": point.size,
                    "statistic": point.kind,
                    "normalised_error": point.value,
                }


def _document(summary: Summary) -> dict[str, Any]:
    return {"curves": [dataclasses.asdict(curve) for curve in summary.curves]}


SECTION = Section(order=70, content=content, records=records, document=_document)
