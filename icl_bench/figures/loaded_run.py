"""A run as figures need it: its summary, and the rows behind it at every context size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from icl_bench.errors import UsageError
from icl_bench.names import nearest
from icl_bench.rendering.dial_names import dial_names
from icl_bench.scores.points import Point
from icl_bench.scores.rows import ScoreRows
from icl_bench.scores.summary import Summary, summarise
from icl_bench.tables.manifest import Manifest
from icl_bench.tables.metric_roles import MetricRoles
from icl_bench.tables.score_table import read_score_rows


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run's summary, and its rows of the metrics that were asked for."""

    name: str  # in legends
    summary: Summary
    rows: ScoreRows
    dials: Mapping[str, str]  # label of a scenario -> what its severity measures, where that is known

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Labels of the scenarios in the table, in the order of the suite."""
        return tuple(dict.fromkeys(point.place.scenario for point in self.summary.points))

    @property
    def shifted(self) -> tuple[Point, ...]:
        """Every point but the unshifted reference."""
        return tuple(point for axis in self.summary.axes for point in axis.points)


def load_runs(folders: Sequence[Path], metrics: Sequence[str]) -> tuple[LoadedRun, ...]:
    """Return runs with their rows of `metrics`; TableError when one is no run."""
    summaries = [summarise(folder) for folder in folders]
    return tuple(
        LoadedRun(
            name,
            summary,
            _rows(folder, [*metrics, *summary.roles.of_prompts]),
            dial_names(summary.manifest.scenarios, summary.manifest.suite_text),
        )
        for name, folder, summary in zip(run_names(folders), folders, summaries, strict=True)
    )


def _rows(folder: Path, metrics: Sequence[str]) -> ScoreRows:
    return ScoreRows(read_score_rows(folder / "scores.parquet", metrics))


def run_names(folders: Sequence[Path]) -> tuple[str, ...]:
    """Return a short name of each folder: its last part, with as many parents as it takes to tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    for depth in range(1, max(map(len, parts), default=1) + 1):
        names = tuple("/".join(part[-depth:]) for part in parts)
        if len(set(names)) == len(names):
            return names
    return tuple(f"{name} ({number})" for number, name in enumerate(names, 1))


def chosen_metric(wanted: str | None, manifests: Sequence[Manifest]) -> str:
    """Return the metric to show of those that every run was asked for: the risk before others unless one is wanted.

    Raises UsageError when there is none, or not the wanted.
    """
    first, *others = manifests
    shared = [name for name in first.metrics if all(name in manifest.metrics for manifest in others)]
    if wanted is None:
        found = next((name for name in MetricRoles(first.metric_cards).drawn if name in shared), None)
        if found is None:
            raise UsageError(
                "the runs share no metric that says what a model loses; name one with --metric:"
                f" {', '.join(shared) or 'none'}"
            )
        return found
    if wanted not in shared:
        raise UsageError(
            f"no metric {wanted!r}{nearest(wanted, shared)} in every run given;"
            f" there are: {', '.join(shared) or 'none'}"
        )
    return wanted
