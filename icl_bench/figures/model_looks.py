"""How the models of runs are drawn: by their names, whichever of them a figure shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from icl_bench.figures.loaded_run import LoadedRun
from icl_bench.figures.style import ModelStyle, look
from icl_bench.rendering.looks import Look, looks


def model_looks(runs: Sequence[LoadedRun]) -> Mapping[str, Look]:
    """Return the look of every model of all runs: a figure of some of them draws these as a figure of all does."""
    return looks(model for run in runs for model in run.summary.models)


def style_of(found: Mapping[str, Look], model: str, run: int, n_runs: int) -> ModelStyle:
    """Return how a model of a run is drawn; what is no model (a reference line) as the first colour."""
    return look(found.get(model, Look(0, 0)), run, n_runs)
