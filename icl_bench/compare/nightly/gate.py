"""The nightly gate: tonight's two runs on fresh prompts join all looks before; looking every night costs nothing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from icl_bench.compare.cells import ComparedCell
from icl_bench.compare.changes import CellChange, Kind
from icl_bench.compare.comparison import Changes, check_two_folders, find_changes
from icl_bench.compare.metric import common_metric
from icl_bench.compare.nightly.evidence import Standing, standings
from icl_bench.compare.nightly.state import Night, NightlyState, NightValue, WatchedCell, held, read_state, write_state
from icl_bench.compare.settings import ALPHA, MARGIN
from icl_bench.errors import EXIT_INCOMPLETE, EXIT_PASS, EXIT_REGRESSION, NotComparableError, UsageError
from icl_bench.machine import now
from icl_bench.statistics.sequential import LIKELY_RISE
from icl_bench.tables.loss_sets import LossSet, StoredLosses
from icl_bench.tables.metric_roles import MetricRoles


@dataclass(frozen=True, slots=True)
class NightlySettings:
    """What is asked of a night; None stands for what the state has, or the default of a new state."""

    metric: str | None = None
    margin: float | None = None
    alpha: float | None = None
    allow_missing: bool = False


@dataclass(frozen=True, slots=True)
class Nightly:
    """What all nights so far say, tonight included where it was recorded."""

    path: Path
    base: Path
    head: Path
    state: NightlyState
    standings: tuple[Standing, ...]
    tonight: Changes
    recorded: bool
    allow_missing: bool

    @property
    def alarms(self) -> tuple[Standing, ...]:
        """Cells that raised an alarm tonight or on an earlier night."""
        return tuple(standing for standing in self.standings if standing.alarmed)

    @property
    def exit_code(self) -> int:
        """1 while an alarm stands; 4 when tonight was not recorded for want of cells; else 0."""
        if self.alarms:
            return EXIT_REGRESSION
        return EXIT_PASS if self.recorded else EXIT_INCOMPLETE


def look(path: Path, base: StoredLosses, head: StoredLosses, settings: NightlySettings) -> Nightly:
    """Add tonight's runs to the state in `path` and return where every cell stands.

    The state is written only when tonight counts: cells were compared, and none is missing or failed unless that is
    allowed. Raises NotComparableError when the state is of another suite, margin or error rate, or when tonight's
    prompts were looked at before; TableError for a damaged state; and as `find_changes` does.
    """
    check_two_folders(base.folder, head.folder)
    with held(path):
        earlier = read_state(path) or _new_state(base, head, settings)
        _check_settings(path, earlier, head, settings)
        _check_direction(earlier, head)
        _check_fresh(path, earlier, [*base.sets, *head.sets])
        kinds: dict[ComparedCell, Kind] = {watched.cell: watched.statistic for watched in earlier.cells}
        tonight = find_changes(base, head, earlier.metric, headline_only=True, kinds=kinds)
        usable = [found for found in tonight.cells if math.isfinite(float(found.change.stderr[found.headline]))]
        recorded = bool(usable) and (settings.allow_missing or not tonight.incomplete)
        state = _with_look(earlier, base, head, usable) if recorded else earlier
        found = standings(state)
        if recorded:
            write_state(path, state)
    return Nightly(path, base.folder, head.folder, state, found, tonight, recorded, settings.allow_missing)


def check_before(path: Path, base: StoredLosses, settings: NightlySettings) -> None:
    """Raise what `look` would of the state and of BASE, before HEAD has answered the prompts of BASE."""
    with held(path):
        earlier = read_state(path)
    if earlier is not None:
        _check_settings(path, earlier, base, settings)
        _check_direction(earlier, base)
        _check_fresh(path, earlier, base.sets)


def _new_state(base: StoredLosses, head: StoredLosses, settings: NightlySettings) -> NightlyState:
    manifest = head.manifest
    return NightlyState(
        suite=manifest.suite,
        suite_version=manifest.suite_version,
        metric=common_metric(base, head, settings.metric),
        margin=MARGIN if settings.margin is None else settings.margin,
        alpha=ALPHA if settings.alpha is None else settings.alpha,
        scale=LIKELY_RISE,
        cells=(),
        looks=(),
    )


def _check_settings(path: Path, state: NightlyState, head: StoredLosses, settings: NightlySettings) -> None:
    """Raise NotComparableError when tonight asks another question than the state holds answers to."""
    manifest = head.manifest
    asked = {
        "suite": (f"{manifest.suite} version {manifest.suite_version}", f"{state.suite} version {state.suite_version}"),
        "--metric": (settings.metric, state.metric),
        "--margin": (settings.margin, state.margin),
        "--alpha": (settings.alpha, state.alpha),
    }
    for name, (wanted, kept) in asked.items():
        if wanted is not None and wanted != kept:
            raise NotComparableError(
                f"{path} was begun with {name.removeprefix('--')} {kept}, tonight asks for {wanted}: evidence of two"
                " questions cannot be added up; ask as before, or begin a new state file"
            )


def _check_direction(state: NightlyState, head: StoredLosses) -> None:
    """Raise UsageError where a fall, not a rise, would be the alarm: evidence is gathered of rises alone."""
    if MetricRoles(head.manifest.metric_cards).is_better_high(state.metric):
        raise UsageError(
            f"--sequential watches for a rise, and more of {state.metric} is better: choose a loss with --metric, or"
            " compare the two runs of each night by themselves"
        )


def _check_fresh(path: Path, state: NightlyState, sets: Sequence[LossSet]) -> None:
    """Raise NotComparableError when prompts of tonight were looked at before: the evidence would count twice."""
    seeds, firsts = {place.seed for place in sets}, {place.digests[0] for place in sets if place.digests}
    for earlier in state.looks:
        if seeds & set(earlier.seeds) or firsts & set(earlier.prompts.values()):
            shared = ", ".join(map(str, sorted(seeds & set(earlier.seeds)))) or "other"
            raise NotComparableError(
                f"{path}: these prompts were looked at on {earlier.time} (seeds {shared}); every night needs fresh"
                " ones: run the suite with other --seeds, in BASE and HEAD alike"
            )


def _with_look(
    state: NightlyState, base: StoredLosses, head: StoredLosses, usable: Sequence[CellChange]
) -> NightlyState:
    """Return the state with tonight's look appended, new cells last among its cells."""
    known = {watched.cell for watched in state.cells}
    new = [WatchedCell(found.cell, found.statistic) for found in usable if found.cell not in known]
    cells = (*state.cells, *new)
    index = {watched.cell: place for place, watched in enumerate(cells)}
    values = tuple(
        NightValue(
            index[found.cell],
            charged(found),
            float(found.change.stderr[found.headline]),
            found.change.degrees,
            found.n_prompts,
        )
        for found in usable
    )
    tonight = Night(
        time=now(),
        base=_run(base),
        head=_run(head),
        seeds=tuple(sorted({place.seed for place in head.sets})),
        prompts={place.name: place.digests[0] for place in head.sets if place.digests},
        values=values,
    )
    return dataclasses.replace(state, cells=cells, looks=(*state.looks, tonight))


def charged(found: CellChange) -> float:
    """Return a night's log ratio as it enters: less the charge of one adverse prompt."""
    charge = np.broadcast_to(found.change.charge, found.change.value.shape)
    return float(found.change.value[found.headline] - charge[found.headline])


def _run(losses: StoredLosses) -> dict[str, str]:
    """Return what tells which code and run a look rests on."""
    manifest = losses.manifest
    return {
        "folder": str(losses.folder),
        "run_digest": manifest.run_digest,
        "code_digest": manifest.code_digest,
        "commit": str(manifest.git.get("commit", "")),
        "icl_bench": manifest.versions.get("icl-bench", ""),
        "device": manifest.device,
    }
