"""What the page's script works on: the runs as plain JSON values, numbers rounded to five significant digits."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from icl_bench.arrays import Array
from icl_bench.rendering.dial_names import dial_names
from icl_bench.rendering.looks import looks
from icl_bench.report.page.packing import packed
from icl_bench.report.page.risks import Interval, Risks
from icl_bench.report.page.skills import skills
from icl_bench.report.records import RUN
from icl_bench.report.sections import headline
from icl_bench.scores.metric_wording import plot_text
from icl_bench.scores.points import Point
from icl_bench.scores.summary import Summary

DIGITS = 5
FIELDS = (RUN, *headline.FIELDS)
OF_RUN = (RUN, "suite", "suite_version")
OF_POINT = (
    "axis",
    "scenario",
    "severity",
    "severity_label",
    "identity",
    "context_size",
    "bayes_risk",
    "zero_risk",
)
OF_ENTRY = tuple(name for name in FIELDS if name not in (*OF_RUN, *OF_POINT))


def rounded(value: Any) -> Any:
    """Return nested plain values with floats of five significant digits, those that are not finite as None.

    Records become dictionaries of their fields: `asdict` would copy every value deeply before.
    """
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {field.name: rounded(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value


def run_names(summaries: Sequence[Summary]) -> list[str]:
    """Return a short name for every run: its folder's, numbered where two are called the same."""
    names = [PurePath(summary.folder).name or summary.folder for summary in summaries]
    return [
        f"{name} ({names[: index + 1].count(name)})" if names.count(name) > 1 else name
        for index, name in enumerate(names)
    ]


def tables(summaries: Sequence[Summary], risks: Sequence[Risks]) -> dict[str, Any]:
    """Return what tables, maps and the plot against severity need, and every table that can be downloaded."""
    names = run_names(summaries)
    runs = [_run(*each) for each in zip(names, summaries, risks, strict=True)]
    found = looks(model for summary in summaries for model in summary.models)
    return {
        "fields": FIELDS,
        "ofPoint": OF_POINT,
        "ofEntry": OF_ENTRY,
        "looks": {model: (look.colour, look.mark) for model, look in found.items()},
        "runs": runs,
    }


def curves(risks: Sequence[Risks]) -> dict[str, Any]:
    """Return risk against context size of every run, packed."""
    return {
        "runs": [
            {
                "models": packed(found.models, found.sizes),
                "bayes": packed(_as_line(found.bayes), found.sizes),
                "zero": packed(_as_line(found.zero), found.sizes),
            }
            for found in risks
        ]
    }


def _as_line(reference: Interval) -> Interval:
    return Interval(
        reference.value[:, None], reference.low[:, None], reference.high[:, None], reference.median[:, None]
    )


def _run(name: str, summary: Summary, risks: Risks) -> dict[str, Any]:
    rows = list(headline.records(summary))
    width = len(summary.models)
    return {
        "name": name,
        "folder": summary.folder,
        "models": list(summary.models),
        "metric": summary.metric,
        "isNormalised": summary.roles.is_normalised(summary.metric),
        "betterHigh": summary.roles.is_better_high(summary.metric),
        "canBeNegative": summary.roles.can_be_negative(summary.metric),
        "manifest": dataclasses.asdict(summary.manifest),
        "coverage": rounded(dataclasses.asdict(summary.coverage)),
        "points": [rounded({field: row.get(field) for field in OF_POINT}) for row in rows[::width]] if width else [],
        "entries": {field: [rounded(row.get(field)) for row in rows] for field in OF_ENTRY},
        "base": None if summary.base is None else 0,
        "skill": skills(summary),
        "dials": dial_names(summary.manifest.scenarios, summary.manifest.suite_text),
        "metricTitle": plot_text(summary.roles, summary.metric),
        "riskMetric": risks.metric,
        "riskTitle": plot_text(summary.roles, risks.metric),
        "riskCanBeNegative": summary.roles.can_be_negative(risks.metric),
        "risk": _headline(risks.models, summary.points, risks.sizes),
        "bayes": _headline(_as_line(risks.bayes), summary.points, risks.sizes),
        "references": _references(summary),
        "breakdowns": [dataclasses.asdict(item) for item in summary.breakdowns],
        "troubles": [dataclasses.asdict(item) for item in summary.troubles],
        "runScores": rounded(summary.run_scores),
    }


def _headline(curves: Interval, points: Sequence[Point], sizes: Sequence[int]) -> dict[str, list[Any]]:
    """Return curves at the context size that summaries show, flat over (point, line)."""
    found: dict[str, list[Any]] = {"value": [], "low": [], "high": [], "median": []}
    for row, point in enumerate(points):
        size = None if point.context_size is None else sizes.index(point.context_size)
        for name in ("value", "low", "high"):
            whole: Array = getattr(curves, name)
            found[name].extend(_numbers(np.full(whole.shape[1], np.nan) if size is None else whole[row, :, size]))
        flags = [False] * curves.median.shape[1] if size is None else curves.median[row, :, size].tolist()
        found["median"].extend(int(flag) for flag in flags)
    return found


def _numbers(values: Iterable[float]) -> list[float | None]:
    return [rounded(float(value)) for value in values]


def _references(summary: Summary) -> dict[str, list[float | None]]:
    """Return squared distances to each reference's answers over the risk of predicting zero, flat over (point, model).

    `bayes` is the Bayes prediction of the test law: there the squared distance is the excess risk (THEORY: Bayes
    orthogonality).
    """
    found: dict[str, list[float | None]] = {}
    to_bayes = [
        entry.shown.value if entry.shown is not None and entry.shows_excess else math.nan
        for point in summary.points
        for entry in point.entries.values()
    ]
    if not all(math.isnan(value) for value in to_bayes):
        found["bayes"] = _numbers(to_bayes)
    places = [(point.place.scenario, point.place.label, model) for point in summary.points for model in summary.models]
    distances = {
        (item.scenario, item.severity_label, item.model, item.reference): item.value for item in summary.resemblances
    }
    for name in summary.roles.distances:
        found[name] = _numbers(distances.get((*place, name), math.nan) for place in places)
    return found
