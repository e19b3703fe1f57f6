"""What a report says, computed once from a run's tables; every format renders this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from icl_bench.errors import TableError
from icl_bench.scores.axis_scores import run_scores
from icl_bench.scores.breakdown import Breakdown, breakdowns
from icl_bench.scores.coverage import Coverage, Trouble, coverage, troubles
from icl_bench.scores.curves import Curve, curves
from icl_bench.scores.points import Point, points
from icl_bench.scores.records import RunScores
from icl_bench.scores.resemblance import Resemblance, resemblances
from icl_bench.scores.rows import ScoreRows, load_rows
from icl_bench.scores.skill import run_skills
from icl_bench.scores.skill_records import Skills
from icl_bench.tables.manifest import Manifest, read_manifest
from icl_bench.tables.metric_roles import MetricRoles


@dataclass(frozen=True, slots=True)
class Axis:
    """All scenarios whose labels share the part before the slash."""

    name: str
    points: tuple[Point, ...]  # without the unshifted reference


@dataclass(frozen=True, slots=True)
class Summary:
    """One run, summarised."""

    folder: str
    manifest: Manifest
    n_prompts: tuple[int, ...]  # a cell: the different counts, ascending
    seeds: tuple[int, ...]
    models: tuple[str, ...]
    roles: MetricRoles
    metric: str  # shown where it exists; empty where the run has nothing to show
    base: Point | None  # the unshifted reference
    axes: tuple[Axis, ...]
    breakdowns: tuple[Breakdown, ...]
    curves: tuple[Curve, ...]
    troubles: tuple[Trouble, ...]
    coverage: Coverage
    run_scores: RunScores
    skills: Skills
    resemblances: tuple[Resemblance, ...]

    @property
    def points(self) -> tuple[Point, ...]:
        """The unshifted reference, then every point of every axis."""
        first = () if self.base is None else (self.base,)
        return (*first, *(point for axis in self.axes for point in axis.points))

    @property
    def has_numbers(self) -> bool:
        """Whether any model has a number to show."""
        return any(entry.shown is not None for point in self.points for entry in point.entries.values())


def summarise(folder: Path) -> Summary:
    """Return the summary of a run folder.

    Raises TableError when it is no run, or its tables are missing or damaged.
    """
    manifest = read_manifest(folder)
    if not (folder / "scores.parquet").exists():
        raise TableError(
            f"{folder} has no table of scores: its run did not come to its end, or the table was deleted;"
            " run the suite again into this folder: what was finished is kept"
        )
    roles = MetricRoles(manifest.metric_cards)
    rows = load_rows(folder, [*manifest.metrics, *roles.cards])
    models, names = tuple(manifest.models), roles.shown
    metric = next((name for name in names if name in rows.metrics), names[0] if names else "")
    found = points(rows, models, manifest.scenarios, roles)
    base = _reference(found)
    shifted = [point for point in found if point is not base]
    identities = {label: float(text) for label, text in manifest.identities.items()}
    return Summary(
        folder=str(folder),
        manifest=manifest,
        n_prompts=_prompt_counts(rows),
        seeds=tuple(sorted({seed for seeds in rows.seeds.values() for seed in seeds})),
        models=models,
        roles=roles,
        metric=metric,
        base=base,
        axes=_axes(shifted),
        breakdowns=breakdowns(base, shifted, models, identities),
        curves=curves(folder, base, shifted, models, roles),
        troubles=troubles(rows),
        coverage=coverage(rows, manifest),
        run_scores=run_scores(folder),
        skills=run_skills(folder),
        resemblances=resemblances(rows, found, models, roles.distances),
    )


def _reference(found: Sequence[Point]) -> Point | None:
    """Return the unshifted point: the one without a dial, `base` by name if there are several."""
    unshifted = [point for point in found if point.place.identity and point.place.severity is None]
    return min(unshifted, key=lambda point: point.place.scenario != "base", default=None)


def _axes(shifted: Sequence[Point]) -> tuple[Axis, ...]:
    grouped: dict[str, list[Point]] = {}
    for point in shifted:
        grouped.setdefault(point.place.axis, []).append(point)
    return tuple(Axis(name, tuple(members)) for name, members in grouped.items())


def _prompt_counts(rows: ScoreRows) -> tuple[int, ...]:
    counts: set[int] = set()
    for place, size in rows.headline.items():
        counts.update(rows.prompt_counts(place, size))
    return tuple(sorted(counts)) or (0,)
