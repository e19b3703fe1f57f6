"""Run-level scores as grids of text: SDR and AUSC an axis, frozen-prior gaps, interactions of joint shifts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from icl_bench.report.grids import Cell, Column, Grid
from icl_bench.report.resemblance import Resemblance
from icl_bench.report.summary import Summary
from icl_bench.run_scores.records import AUSC, AXIS, GAP, INTERACTION, POINT, SDR, RunScore
from icl_bench.text import with_half_width


def axis_scores_grid(summary: Summary) -> Grid | None:
    """Return models against axes, SDR and AUSC of each; None without any."""
    degradation, curve = (summary.run_scores.of(name, AXIS) for name in (SDR, AUSC))
    axes = list(dict.fromkeys(axis for _, axis, _ in curve))
    models = _models(summary, [*degradation.values(), *curve.values()])
    columns = [
        Column(axis, title, tuple(_cell(found.get((model, axis, ""))) for model in models))
        for axis in axes
        for title, found in (("SDR", degradation), ("AUSC", curve))
    ]
    return Grid("", models, tuple(columns)) if models and columns else None


def gap_grid(summary: Summary) -> Grid | None:
    """Return models against the axes on which the prior or the noise moved; None without any."""
    return _one_number(summary, GAP, AXIS)


def interaction_grid(summary: Summary) -> Grid | None:
    """Return models against joint shifts; None without any."""
    return _one_number(summary, INTERACTION, POINT)


def resemblance_grid(summary: Summary) -> Grid | None:
    """Return models against reference algorithms, unshifted, the nearest named; None without any."""
    if summary.base is None:
        return None
    here = (summary.base.place.scenario, summary.base.place.label)
    found = {
        (item.model, item.reference): item
        for item in summary.resemblances
        if (item.scenario, item.severity_label) == here
    }
    names = list(dict.fromkeys(reference for _, reference in found))
    models = tuple(model for model in summary.models if any((model, name) in found for name in names))
    columns = [Column("", name, tuple(_distance(found.get((model, name))) for model in models)) for name in names]
    if len(names) > 1:
        columns.append(Column("", "nearest", tuple(Cell(_nearest(found, model, names)) for model in models)))
    return Grid("", models, tuple(columns)) if models else None


def _distance(item: Resemblance | None) -> Cell:
    if item is None:
        return Cell("n/a", "none")
    half_width = None if item.low is None or item.high is None else (item.high - item.low) / 2.0
    text = with_half_width(item.value, half_width)
    return Cell(text if item.kind == "mean" else f"med {text}")


def _nearest(found: Mapping[tuple[str, str], Resemblance], model: str, names: Sequence[str]) -> str:
    """Return the reference with the smallest mean distance, none where one has no mean."""
    distances = {name: found[model, name].value for name in names if (model, name) in found}
    if len(distances) < len(names) or any(found[model, name].kind != "mean" for name in names):
        return "?"
    return min(distances, key=distances.__getitem__)


def _one_number(summary: Summary, name: str, scope: str) -> Grid | None:
    found = summary.run_scores.of(name, scope)
    models = _models(summary, list(found.values()))
    places = list(dict.fromkeys((scenario, label) for _, scenario, label in found))
    columns = tuple(
        Column(
            scenario if label else "",
            label or scenario,
            tuple(_cell(found.get((model, scenario, label))) for model in models),
        )
        for scenario, label in places
    )
    return Grid("", models, columns) if models and columns else None


def _models(summary: Summary, scores: Sequence[RunScore]) -> tuple[str, ...]:
    """Return the models with any value, in the order of the suite."""
    valued = {score.model for score in scores if score.value is not None}
    return tuple(model for model in summary.models if model in valued)


def _cell(score: RunScore | None) -> Cell:
    if score is None or score.value is None:
        return Cell("-" if score is None else "n/a", "none")
    half_width = None if score.low is None or score.high is None else (score.high - score.low) / 2.0
    text = with_half_width(score.value, half_width)
    return Cell(text if score.n_points == score.n_possible else f"{text} ({score.n_points}/{score.n_possible})")
