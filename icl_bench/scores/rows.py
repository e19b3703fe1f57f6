"""The rows of scores.parquet that summaries need, by key, with the seeds of a cell combined."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from icl_bench.places import Place
from icl_bench.tables.schema import LOOKED_UP, PROMPTS, WORST_FIRST
from icl_bench.tables.score_table import read_score_rows

OWN_STATISTICS = ("quantile", "worst group")
"""What a metric is summarised by where neither a mean nor a ratio of means says what it is: `value` of the table."""


@dataclass(frozen=True, slots=True)
class Statistic:
    """One metric of one model on one scenario and severity at one context size, seeds combined."""

    metric: str
    kind: str  # mean | median (where no mean exists) | quantile | worst group
    value: float
    stderr: float | None  # of the mean
    low: float | None  # 95% interval; None where none exists
    high: float | None
    median_low: float | None  # lower end of the median's 95% interval; None where prompts are no replicates
    n_prompts: int  # a seed
    n_seeds: int

    @property
    def half_width(self) -> float | None:
        """Half the interval's width."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2.0


@dataclass(frozen=True, slots=True)
class Absent:
    """Why there is no number."""

    status: str  # looked_up | error | timeout | nan | skipped | undefined | missing
    message: str


Row = Mapping[str, Any]


class ScoreRows:
    """Rows by (place, model, metric, context size); whole failed and looked-up cells by (place, model)."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.places: list[Place] = []
        self.headline: dict[Place, int] = {}
        self.seeds: dict[Place, set[int]] = defaultdict(set)
        self.unwell: list[Row] = []
        self.metrics: set[str] = set()
        self.cells: dict[tuple[str, str, int, str], str] = {}  # scenario, severity, seed, model -> status
        self._found: dict[tuple[Place, str, str, int], list[Row]] = defaultdict(list)
        self._sizes: dict[tuple[Place, str, str], set[int]] = defaultdict(set)
        self._prompts: dict[tuple[Place, int], set[int]] = defaultdict(set)
        self._failed: dict[tuple[Place, str], list[Row]] = defaultdict(list)
        self._skipped: dict[tuple[Place, str, str], list[Row]] = defaultdict(list)
        self._rows = rows
        for row in rows:
            self._take(row)

    def _take(self, row: Row) -> None:
        place = Place.of_row(row)
        if place not in self.seeds:
            self.places.append(place)
        self.seeds[place].add(row["seed"])
        whole = row["metric"] is None or row["status"] == LOOKED_UP  # whose numbers count for nothing
        cell = (row["scenario"], row["severity_label"], row["seed"], row["model"])
        self.cells[cell] = row["status"] if whole else self.cells.get(cell, "ok")
        if row["status"] != "ok":
            self.unwell.append(row)
        if whole:
            self._failed[place, row["model"]].append(row)
        elif row["status"] != "ok":
            self._skipped[place, row["model"], row["metric"]].append(row)
        else:
            self.metrics.add(row["metric"])
            self._found[place, row["model"], row["metric"], row["context_size"]].append(row)
            self._sizes[place, row["model"], row["metric"]].add(row["context_size"])
            self._prompts[place, row["context_size"]].add(row["n_prompts"])
            if row["headline"]:
                self.headline[place] = row["context_size"]

    def narrowed(self, models: Collection[str], scenarios: Collection[str]) -> ScoreRows:
        """Return the rows of some models under some scenarios; those of the unshifted reference stay."""

        def is_kept(row: Row) -> bool:
            reference = row["identity"] and row["severity"] is None
            return (row["scenario"] in scenarios or reference) and row["model"] in (*models, PROMPTS)

        return ScoreRows([row for row in self._rows if is_kept(row)])

    def sizes(self, place: Place, model: str, metric: str | None) -> list[int]:
        """Return the context sizes at which a model has a metric, ascending."""
        return [] if metric is None else sorted(self._sizes.get((place, model, metric), ()))

    def prompt_counts(self, place: Place, size: int) -> set[int]:
        """Return the prompts a cell at a place, over all models, metrics and seeds."""
        return self._prompts.get((place, size), set())

    def get(self, place: Place, model: str, metric: str | None, size: int | None) -> Statistic | Absent:
        """Return a metric with its seeds combined, or why there is none; None: a metric that the run does not have."""
        if metric is None:
            return Absent("missing", "the run has no such metric")
        rows = self._found.get((place, model, metric, size), []) if size is not None else []
        if rows:
            return combined(metric, rows)
        failed = self._failed.get((place, model)) or self._skipped.get((place, model, metric), [])
        if failed:
            worst = min(failed, key=lambda row: WORST_FIRST.index(row["status"]))
            return Absent(worst["status"], worst["message"])
        return Absent("missing", "no row in the table: the cell was not run, or not finished")


def combined(metric: str, rows: Sequence[Row]) -> Statistic | Absent:
    """Return one statistic of the seeds' rows: the mean of their means, else of their medians.

    Where the metric is a quantile or a worst group, that is averaged. Seeds are independent, so squared standard errors
    and squared half widths add up.
    """
    if rows[0].get("statistic") in OWN_STATISTICS:
        return _own_statistic(metric, rows)
    kind = next((kind for kind in ("mean", "median") if all(row[kind] is not None for row in rows)), None)
    if kind is None:
        return Absent("undefined", next(row["message"] for row in rows if row["mean"] is None))
    count = len(rows)
    ends = ("ci_low", "ci_high") if kind == "mean" else ("median_low", "median_high")
    value = math.fsum(row[kind] for row in rows) / count
    down, up = (_reach(rows, kind, end) for end in ends)
    errors = [row["stderr"] for row in rows]
    known = kind == "mean" and None not in errors
    return Statistic(
        metric,
        kind,
        value,
        math.hypot(*errors) / count if known else None,
        None if down is None else value - down,
        None if up is None else value + up,
        _median_low(rows),
        max(row["n_prompts"] for row in rows),
        count,
    )


def _own_statistic(metric: str, rows: Sequence[Row]) -> Statistic | Absent:
    if any(row["value"] is None for row in rows):
        return Absent("undefined", next(row["message"] for row in rows if row["value"] is None))
    count = len(rows)
    value = math.fsum(row["value"] for row in rows) / count
    down, up = (_reach(rows, "value", end) for end in ("value_low", "value_high"))
    low, high = None if down is None else value - down, None if up is None else value + up
    return Statistic(
        metric,
        rows[0]["statistic"],
        value,
        None,
        low,
        high,
        None,
        max(row["n_prompts"] for row in rows),
        count,
    )


def _reach(rows: Sequence[Row], kind: str, end: str) -> float | None:
    """Return how far the interval of the seeds' average reaches to one end; None when a seed has no interval."""
    if any(row[end] is None for row in rows):
        return None
    return math.hypot(*(row[end] - row[kind] for row in rows)) / len(rows)


def _median_low(rows: Sequence[Row]) -> float | None:
    # a tail that is light enough and yet no standard error: all prompts of the seed share one draw
    if any(row["median_low"] is None or (row["stderr"] is None and row["tail_index"] > 2.0) for row in rows):
        return None
    center = math.fsum(row["median"] for row in rows) / len(rows)
    return center - math.hypot(*(row["median"] - row["median_low"] for row in rows)) / len(rows)


def load_rows(folder: Path, metrics: Sequence[str]) -> ScoreRows:
    """Return the rows of some metrics of a run at its headline context sizes.

    Raises TableError when its table is missing or damaged.
    """
    return ScoreRows(read_score_rows(folder / "scores.parquet", metrics, headline=True))


def load_places(folder: Path, places: Sequence[Place], metrics: Sequence[str]) -> ScoreRows:
    """Return the rows of a run at some places and every context size; TableError when its table is damaged."""
    keys = {(place.scenario, place.label) for place in places}
    return ScoreRows(read_score_rows(folder / "scores.parquet", metrics, places=keys))
