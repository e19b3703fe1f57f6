"""What a report says, computed once from a run's tables; every format renders this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from icl_bench.scores.axis_scores import run_scores
from icl_bench.scores.breakdown import Breakdown, breakdowns
from icl_bench.scores.curves import Curve, curves
from icl_bench.scores.narrowing import Narrowing
from icl_bench.scores.overview import WHOLE, Overview, overview_of, read_tables
from icl_bench.scores.points import Point, points
from icl_bench.scores.records import RunScores
from icl_bench.scores.resemblance import Resemblance, resemblances
from icl_bench.tables.metric_roles import MetricRoles


@dataclass(frozen=True, slots=True)
class Axis:
    """All scenarios whose labels share the part before the slash."""

    name: str
    points: tuple[Point, ...]  # without the unshifted reference


@dataclass(frozen=True, slots=True)
class Summary(Overview):
    """One run, summarised: beside what the first screen says, all that tables and plots hold."""

    roles: MetricRoles
    metric: str  # shown where it exists; empty where the run has nothing to show
    base: Point | None  # the unshifted reference
    axes: tuple[Axis, ...]
    breakdowns: tuple[Breakdown, ...]
    curves: tuple[Curve, ...]
    run_scores: RunScores
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


def summarise(folder: Path, narrowing: Narrowing = WHOLE) -> Summary:
    """Return the summary of a run folder.

    Raises TableError when it is no run, or its tables are missing or damaged, UsageError for a narrowing that names
    nothing.
    """
    manifest, rows = read_tables(folder, narrowing)
    overview = overview_of(folder, manifest, rows, narrowing)
    roles = MetricRoles(manifest.metric_cards)
    models, names = overview.models, roles.shown
    if narrowing.metric is not None:
        names = (narrowing.metric, *(name for name in names if name != narrowing.metric))
    metric = next((name for name in names if name in rows.metrics), names[0] if names else "")
    found = points(rows, models, manifest.scenarios, roles, names)
    base = _reference(found)
    shifted = [point for point in found if point is not base]
    identities = {label: float(text) for label, text in manifest.identities.items()}
    return Summary(
        **{field.name: getattr(overview, field.name) for field in fields(overview)},
        roles=roles,
        metric=metric,
        base=base,
        axes=_axes(shifted),
        breakdowns=breakdowns(base, shifted, models, identities),
        curves=curves(folder, base, shifted, models, roles),
        run_scores=run_scores(folder, None if narrowing.is_whole else manifest),
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
