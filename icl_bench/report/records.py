"""A summary as plain records: one per scenario, severity and model, every number unrounded (csv and json)."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from icl_bench.report.points import Entry, Point
from icl_bench.report.score_rows import Statistic
from icl_bench.report.summary import Summary
from icl_bench.tables.score_table import absent_columns
from icl_bench.text import finite, printable

HEADLINE = "headline"
TABLES = (HEADLINE, "scores", "breakdowns", "agreement", "curves", "failures")
FIELDS = (
    "run",
    "suite",
    "suite_version",
    "axis",
    "scenario",
    "severity",
    "severity_label",
    "identity",
    "context_size",
    "model",
    "metric",
    "statistic",
    "value",
    "stderr",
    "low",
    "high",
    "normalised_error",
    "normalised_error_statistic",
    "normalised_error_low",
    "normalised_error_high",
    "no_better_than_zero",
    "bayes_risk",
    "zero_risk",
    "n_prompts",
    "n_seeds",
    "status",
    "message",
)


def records(summary: Summary) -> Iterator[dict[str, Any]]:
    """Yield the headline table of a run, the unshifted reference first; absent numbers are None."""
    for point in summary.points:
        for entry in point.entries.values():
            yield {
                "run": summary.folder,
                "suite": summary.manifest.suite,
                "suite_version": summary.manifest.suite_version,
                **_of_point(point),
                **_of_entry(entry),
            }


def _of_point(point: Point) -> dict[str, Any]:
    return {
        "axis": point.place.axis,
        "scenario": point.place.scenario,
        "severity": point.place.severity,
        "severity_label": point.place.label,
        "identity": point.place.identity,
        "context_size": point.context_size,
        "bayes_risk": point.bayes_risk,
        "zero_risk": point.zero_risk,
    }


def _of_entry(entry: Entry) -> dict[str, Any]:
    shown, error = entry.shown, entry.error
    numbers = {"metric": None, "statistic": None, "value": None, "stderr": None, "low": None, "high": None}
    return {
        "model": entry.model,
        **numbers,
        **({} if shown is None else _of_statistic(shown)),
        "normalised_error": None if error is None else error.value,
        "normalised_error_statistic": None if error is None else error.kind,
        "normalised_error_low": None if error is None else error.low,
        "normalised_error_high": None if error is None else error.high,
        "no_better_than_zero": entry.broken,
        "status": "ok" if entry.absent is None else entry.absent.status,
        "message": "" if entry.absent is None else printable(entry.absent.message),
    }


def _of_statistic(shown: Statistic) -> dict[str, Any]:
    return {
        "metric": shown.metric,
        "statistic": shown.kind,
        "value": shown.value,
        "stderr": shown.stderr,
        "low": shown.low,
        "high": shown.high,
        "n_prompts": shown.n_prompts,
        "n_seeds": shown.n_seeds,
    }


def render_csv(summaries: Sequence[Summary]) -> str:
    """Return the headline table of all runs, tidy; absent numbers are empty."""
    return render_table(summaries, HEADLINE)


def render_table(summaries: Sequence[Summary], table: str) -> str:
    """Return one of `TABLES` of all runs as csv, tidy; absent numbers are empty, several values joined by `;`."""
    found = [record for summary in summaries for record in _table_records(summary, table)]
    names = FIELDS if table == HEADLINE else tuple(dict.fromkeys(name for record in found for name in record))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue().removesuffix("\n")


def _table_records(summary: Summary, table: str) -> Iterator[dict[str, Any]]:
    if table == HEADLINE:
        yield from records(summary)
        return
    if table == "curves":
        yield from _curve_records(summary)
        return
    items: dict[str, Sequence[Any]] = {
        "scores": summary.run_scores.scores,
        "breakdowns": summary.breakdowns,
        "agreement": summary.resemblances,
        "failures": summary.troubles,
    }
    for item in items[table]:
        fields = dataclasses.asdict(item)
        flat = {key: "; ".join(value) if isinstance(value, tuple) else value for key, value in fields.items()}
        kappa = {"kappa": summary.run_scores.kappa} if table == "scores" else {}
        yield {"run": summary.folder, **flat, **kappa}


def _curve_records(summary: Summary) -> Iterator[dict[str, Any]]:
    """Yield the curves of normalised error against context size, point by point."""
    for curve in summary.curves:
        for line in curve.lines:
            for point in line.points:
                yield {
                    "run": summary.folder,
                    "scenario": curve.scenario,
                    "severity_label": curve.label,
                    "model": line.name,
                    "context_size": point.size,
                    "statistic": point.kind,
                    "normalised_error": point.value,
                }


def render_json(summaries: Sequence[Summary]) -> str:
    """Return everything as JSON: an object for one run, a list for several; numbers that are not finite are null."""
    documents = [_document(summary) for summary in summaries]
    return json.dumps(finite(documents[0] if len(documents) == 1 else documents), indent=2, allow_nan=False)


def _document(summary: Summary) -> dict[str, Any]:
    return {
        "run": summary.folder,
        "manifest": dataclasses.asdict(summary.manifest),
        "coverage": dataclasses.asdict(summary.coverage),
        "metric": summary.metric,
        "scores": [{name: record.get(name) for name in FIELDS[3:]} for record in records(summary)],
        "run_scores": dataclasses.asdict(summary.run_scores),
        "breakdowns": [dataclasses.asdict(item) for item in summary.breakdowns],
        "agreement": [dataclasses.asdict(item) for item in summary.resemblances],
        "curves": [dataclasses.asdict(curve) for curve in summary.curves],
        "absent_columns": absent_columns(Path(summary.folder) / "scores.parquet"),
        "troubles": [dataclasses.asdict(trouble) for trouble in summary.troubles],
    }
