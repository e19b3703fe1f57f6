"""Models against severities, an axis of shift at a time: the headline numbers of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from icl_bench.formatting import printable, short, with_half_width
from icl_bench.rendering.table import Cell, Column, Table, by_column
from icl_bench.report import wording
from icl_bench.report.section import Content, Section
from icl_bench.scores.points import ModelEntry, Point
from icl_bench.scores.rows import Statistic
from icl_bench.scores.summary import Axis, Summary

FIELDS = (
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


def content(summary: Summary) -> Content:
    """Return a table an axis, and the legend of what is really in them."""
    return Content(
        lead=(wording.shown(summary),),
        colours=(wording.colours(summary),),
        tables=tuple(_table(summary, axis) for axis in summary.axes or (None,)),
        notes=wording.legend(summary),
    )


def _table(summary: Summary, axis: Axis | None) -> Table:
    """Return one axis: the unshifted reference first, the Bayes risk above the models."""
    base = () if summary.base is None else (summary.base,)
    points = base if axis is None else (*base, *axis.points)
    heads = _heads(summary, points)
    columns = [
        _column(summary, point, point in base, [texts[index] for texts in heads.values()])
        for index, point in enumerate(points)
    ]
    table = by_column(columns, summary.models, summary.models, tuple(heads))
    return replace(table, title="unshifted" if axis is None else axis.name, fixed=len(base))


def _heads(summary: Summary, points: Sequence[Point]) -> dict[str, tuple[str, ...]]:
    """Return the rows above the models: context sizes where they differ, the Bayes risk where it was measured."""
    heads = {}
    if len({point.context_size for point in points}) > 1:
        heads["examples"] = tuple(str(point.context_size or "") for point in points)
    if any(point.achievable is not None for point in summary.points):
        name = "Bayes / zero" if summary.roles.is_normalised(summary.metric) else "Bayes"
        heads[name] = tuple("?" if point.achievable is None else short(point.achievable) for point in points)
    return heads


def _column(summary: Summary, point: Point, is_base: bool, heads: Sequence[str]) -> tuple[Column, list[Cell]]:
    cells = [*(Cell(text, "head") for text in heads), *(_cell(point.entries[model]) for model in summary.models)]
    mark = wording.NOT_THE_SUITES_METRIC if point.metric != summary.metric else ""
    identity = " =base" if point.place.identity and not is_base else ""
    title = "unshifted" if is_base else point.place.label + identity
    return Column(title + mark, "" if is_base else point.place.inner), cells


def _cell(entry: ModelEntry) -> Cell:
    """Return a model's number with its interval and marks, or its status."""
    if entry.shown is None:
        status = "" if entry.absent is None else entry.absent.status
        return Cell({"missing": "·", "undefined": "n/a"}.get(status, status), "none")
    text = with_half_width(entry.shown.value, entry.shown.half_width)
    if entry.shown.kind == "median":
        text = f"med {text}"
    if entry.broken:
        text += wording.BROKEN
    return Cell(text, entry.standing, entry.shown.value)


def records(summary: Summary) -> Iterator[dict[str, Any]]:
    """Yield one row per scenario, severity and model, the unshifted reference first; every number is unrounded."""
    for point in summary.points:
        for entry in point.entries.values():
            yield {
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


def _of_entry(entry: ModelEntry) -> dict[str, Any]:
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


def _document(summary: Summary) -> dict[str, Any]:
    of_a_run = ("suite", "suite_version")
    names = [name for name in FIELDS if name not in of_a_run]
    return {"metric": summary.metric, "scores": [{name: row.get(name) for name in names} for row in records(summary)]}


SECTION = Section(order=10, content=content, records=records, fields=FIELDS, document=_document)
