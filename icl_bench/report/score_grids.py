"""Run-level scores as grids of text: SDR and AUSC an axis, frozen-prior gaps, interactions of joint shifts."""

from __future__ import annotations

from collections.abc import Sequence

from icl_bench.report.grids import Cell, Column, Grid
from icl_bench.report.summary import Summary
from icl_bench.run_scores.records import AUSC, AXIS, GAP, INTERACTION, POINT, SDR, RunScore
from icl_bench.text import with_half_width

ONE = 1.0


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
