"""The state of a nightly gate: every look that was ever taken, in one versioned JSON file, evidence never stored."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from icl_bench.compare.cells import ComparedCell
from icl_bench.compare.changes import CUT_MEAN, MEAN, Kind
from icl_bench.errors import NotComparableError, OutputError, TableError, UsageError
from icl_bench.files import write_text
from icl_bench.places import Place

STATE_KIND, STATE_VERSION = "icl-bench sequential state", 2
_REMEDY = "restore it from its history, or move it away to begin anew"


@dataclass(frozen=True, slots=True)
class WatchedCell:
    """A cell that the gate watches, and the statistic that it was first compared by."""

    cell: ComparedCell
    statistic: Kind


@dataclass(frozen=True, slots=True)
class NightValue:
    """What one night said of one cell: the log ratio of its risks at the headline size."""

    index: int  # among the state's cells
    estimate: float
    stderr: float
    degrees: float  # clusters - 1
    n_prompts: int


@dataclass(frozen=True, slots=True)
class Night:
    """One night: which runs, which prompts, and what they said."""

    time: str  # UTC
    base: Mapping[str, str]  # run_digest, code_digest, icl_bench (version), folder
    head: Mapping[str, str]
    seeds: tuple[int, ...]
    prompts: Mapping[str, str]  # prompt set -> digest of its first block, which all larger sets share
    values: tuple[NightValue, ...]


@dataclass(frozen=True, slots=True)
class NightlyState:
    """All looks so far; what they add up to is computed from them each time."""

    suite: str
    suite_version: int
    metric: str
    margin: float
    alpha: float
    scale: float  # log ratio beyond the margin that the mixture expects
    cells: tuple[WatchedCell, ...]  # in the order in which they joined
    looks: tuple[Night, ...]


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a state file against a second command; UsageError when it is in use or has no folder."""
    if path.is_dir() or not path.parent.is_dir():  # the lock would make the folder
        raise UsageError(f"--sequential {path}: expected a file in an existing folder")
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise UsageError(f"{path} is in use by another command; wait for it") from error
    except OSError as error:
        raise OutputError(
            f"{path} cannot be locked: {error.strerror or error}; mend the permissions of its folder"
        ) from error
    try:
        yield
    finally:
        lock.release()


def write_state(path: Path, state: NightlyState) -> None:
    """Write a state file atomically."""
    cells = [
        {
            "scenario": watched.cell.place.scenario,
            "point": list(watched.cell.place.severities),
            "severity_label": watched.cell.place.label,
            "model": watched.cell.model,
            "statistic": watched.statistic,
        }
        for watched in state.cells
    ]
    looks = [
        {**_fields(look), "values": [list(dataclasses.astuple(value)) for value in look.values]} for look in state.looks
    ]
    whole = {"kind": STATE_KIND, "version": STATE_VERSION, **_fields(state), "cells": cells, "looks": looks}
    write_text(path, json.dumps(whole, indent=1, allow_nan=False) + "\n")


def _fields(part: Night | NightlyState) -> dict[str, Any]:
    return {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}


def read_state(path: Path) -> NightlyState | None:
    """Return the state in a file, None where there is no file.

    Raises TableError when it is damaged or something else, NotComparableError when it is newer.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise TableError(f"{path} is not a readable state ({error}); {_REMEDY}") from error
    if not isinstance(fields, dict) or fields.get("kind") != STATE_KIND:
        raise TableError(f"{path} is not a state of `compare --sequential`: expected kind {STATE_KIND!r}; give another")
    version = fields.get("version")
    if isinstance(version, int) and version > STATE_VERSION:
        raise NotComparableError(
            f"{path} has version {version}, newer than this icl-bench's {STATE_VERSION}: upgrade icl-bench"
        )
    if version == 1:
        raise NotComparableError(
            f"{path} was begun before icl-bench 0.4, which compares no medians any more: evidence of two questions"
            " cannot be added up; begin a new state file"
        )
    try:
        return _state(fields)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise TableError(f"{path} is damaged ({type(error).__name__}: {error}); {_REMEDY}") from error


def _state(fields: Mapping[str, Any]) -> NightlyState:
    cells = tuple(_watched(cell) for cell in fields["cells"])
    if len({watched.cell for watched in cells}) < len(cells):
        raise ValueError("a cell is listed twice")
    return NightlyState(
        suite=str(fields["suite"]),
        suite_version=int(fields["suite_version"]),
        metric=str(fields["metric"]),
        margin=_finite(fields["margin"]),
        alpha=_finite(fields["alpha"]),
        scale=_finite(fields["scale"]),
        cells=cells,
        looks=tuple(_look(look, len(cells)) for look in fields["looks"]),
    )


def _watched(fields: Mapping[str, Any]) -> WatchedCell:
    statistic = fields["statistic"]
    if statistic not in (MEAN, CUT_MEAN):
        raise ValueError(f"statistic {statistic!r}")
    point = tuple(None if value is None else _finite(value) for value in fields["point"])
    return WatchedCell(ComparedCell(Place(str(fields["scenario"]), point), str(fields["model"])), statistic)


def _look(fields: Mapping[str, Any], n_cells: int) -> Night:
    values = tuple(
        NightValue(int(index), _finite(estimate), _finite(stderr), _finite(degrees), int(rows))
        for index, estimate, stderr, degrees, rows in fields["values"]
    )
    indices = [value.index for value in values]
    if len(set(indices)) < len(indices) or not all(0 <= index < n_cells for index in indices):
        raise ValueError("a look names a cell twice, or one that is not listed")
    if any(value.stderr < 0.0 or value.degrees < 1.0 for value in values):
        raise ValueError("a standard error below 0, or degrees below 1")
    return Night(
        time=str(fields["time"]),
        base={str(name): str(text) for name, text in fields["base"].items()},
        head={str(name): str(text) for name, text in fields["head"].items()},
        seeds=tuple(int(seed) for seed in fields["seeds"]),
        prompts={str(name): str(digest) for name, digest in fields["prompts"].items()},
        values=values,
    )


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number, got {value!r}")
    return number
