"""Risk against severity and context size, read from scores.parquet in batches into plain arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icl_bench.arrays import Array, Flags, Integers
from icl_bench.errors import TableError
from icl_bench.scores.points import Point
from icl_bench.scores.rows import OWN_STATISTICS
from icl_bench.scores.summary import Summary
from icl_bench.tables.parquet import open_table
from icl_bench.tables.schema import LOOKED_UP, PROMPTS

BATCH = 1 << 17  # rows held at once
_TEXTS = ("model", "scenario", "severity_label", "metric", "status")
_NUMBERS = ("mean", "median", "ci_low", "ci_high", "median_low", "median_high")
_OWN = {"mean": "value", "ci_low": "value_low", "ci_high": "value_high"}
"""Columns of a metric that is no mean, by those of a mean; where they hold a mean's, they are the same."""
_REACHES = {"ci_low": "mean", "ci_high": "mean", "median_low": "median", "median_high": "median"}


@dataclass(frozen=True, slots=True)
class Interval:
    """Values with their 95% intervals; nan where there is none. All arrays share one shape."""

    value: Array
    low: Array
    high: Array
    median: Flags  # a median, where no mean exists


@dataclass(frozen=True, slots=True)
class Risks:
    """What the plots of one run show."""

    metric: str  # what is called risk; empty where the run has no metric to draw
    sizes: tuple[int, ...]  # context sizes, ascending
    models: Interval  # (point, model, size)
    bayes: Interval  # (point, size): what is achievable
    zero: Interval  # (point, size): risk of predicting zero


def read_risks(summary: Summary) -> Risks:
    """Return the curves of a run; seeds are combined as everywhere: means average, squared half widths add up.

    Raises TableError when the table is damaged.
    """
    path, roles = Path(summary.folder) / "scores.parquet", summary.roles
    names = [name for name in roles.drawn if name in summary.manifest.metrics]
    metric = next(iter(names), "")
    drawn = (metric, roles.bayes_risk or "", roles.signal or "")
    has_own = bool(names) and roles.cards[metric].statistic in OWN_STATISTICS
    columns = {name: _OWN.get(name, name) if has_own else name for name in _NUMBERS}
    try:
        sizes = _sizes(path)
        grid = _Grid(summary.points, (PROMPTS, *summary.models), sizes, drawn)
        for batch in open_table(path).iter_batches(BATCH, columns=[*_TEXTS, "context_size", *columns.values()]):
            grid.take(batch, columns)
    except (OSError, ValueError) as error:
        raise TableError(f"{path} is damaged ({error}); run the suite again into the same folder") from error
    models, bayes, zero = (grid.statistic(name) for name in drawn)
    return Risks(metric, sizes, _part(models, slice(1, None)), _part(bayes, 0), _part(zero, 0))


def _sizes(path: Path) -> tuple[int, ...]:
    found: set[int] = set()
    for batch in open_table(path).iter_batches(BATCH, columns=["context_size"]):
        found.update(batch.column(0).unique().to_pylist())
    return tuple(sorted(size for size in found if size is not None))


def _part(whole: Interval, models: int | slice) -> Interval:
    return Interval(whole.value[:, models], whole.low[:, models], whole.high[:, models], whole.median[:, models])


class _Grid:
    """Sums over seeds for every (metric, point, model, size); what a seed lacks is nan and stays nan."""

    def __init__(
        self, points: Sequence[Point], models: Sequence[str], sizes: Sequence[int], metrics: Sequence[str]
    ) -> None:
        self._shape = (len(points), len(models), len(sizes))
        self._places = {(point.place.scenario, point.place.label): row for row, point in enumerate(points)}
        self._models = {label: column for column, label in enumerate(models)}
        self._sizes = np.asarray(sizes, dtype=np.int64)
        cells = len(points) * len(models) * len(sizes)
        self._count = {name: np.zeros(cells) for name in metrics}
        self._sums = {name: {part: np.zeros(cells) for part in _NUMBERS} for name in metrics}

    def take(self, batch: Any, sources: Mapping[str, str]) -> None:
        """Add the rows of one record batch; `sources` names the column that each number is read from."""
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        codes = {name: _codes(columns[name]) for name in _TEXTS}
        model = _translated(codes["model"], self._models)
        place = self._place_of(codes["scenario"], codes["severity_label"])
        size = _plain(columns["context_size"], np.int32, -1).astype(np.int64)
        counts = _translated(codes["status"], dict.fromkeys(set(codes["status"].names) - {LOOKED_UP}, 0)) == 0
        known = (model >= 0) & (place >= 0) & (size >= 0) & counts
        numbers = {name: _plain(columns[source], np.float64, np.nan) for name, source in sources.items()}
        for metric, rows in self._rows_by_metric(codes["metric"], known):
            position = np.searchsorted(self._sizes, size[rows])
            slots = (place[rows] * self._shape[1] + model[rows]) * self._shape[2] + position
            self._add(metric, slots, {name: values[rows] for name, values in numbers.items()})

    def _place_of(self, scenario: _Codes, label: _Codes) -> Integers:
        both = scenario.codes * len(label.names) + label.codes
        pairs = {
            first * len(label.names) + second: self._places.get((one, other), -1)
            for first, one in enumerate(scenario.names)
            for second, other in enumerate(label.names)
        }
        table = np.asarray([pairs[code] for code in range(len(pairs))], dtype=np.int64)
        return np.where((scenario.codes < 0) | (label.codes < 0), -1, table[both])

    def _rows_by_metric(self, metric: _Codes, known: Flags) -> Iterator[tuple[str, Integers]]:
        for code, name in enumerate(metric.names):
            if name in self._sums:
                yield name, np.flatnonzero(known & (metric.codes == code))

    def _add(self, metric: str, slots: Integers, numbers: Mapping[str, Array]) -> None:
        np.add.at(self._count[metric], slots, 1.0)
        sums = self._sums[metric]
        for name, values in numbers.items():
            center = _REACHES.get(name)
            np.add.at(sums[name], slots, values if center is None else (values - numbers[center]) ** 2)

    def statistic(self, metric: str) -> Interval:
        """Return a metric with its seeds combined, (point, model, size): the mean, else the median."""
        count = np.where(self._count[metric] > 0, self._count[metric], np.nan)
        sums = self._sums[metric]
        median = np.isnan(sums["mean"]) & ~np.isnan(sums["median"] / count)
        value = np.where(median, sums["median"], sums["mean"]) / count
        down = np.sqrt(np.where(median, sums["median_low"], sums["ci_low"])) / count
        up = np.sqrt(np.where(median, sums["median_high"], sums["ci_high"])) / count
        shape = self._shape
        return Interval(
            value.reshape(shape), (value - down).reshape(shape), (value + up).reshape(shape), median.reshape(shape)
        )


@dataclass(frozen=True, slots=True)
class _Codes:
    codes: Integers  # (row,) index into names; -1 for null
    names: tuple[str, ...]


def _codes(column: Any) -> _Codes:
    encoded = column.dictionary_encode()
    codes = _plain(encoded.indices, np.int32, -1).astype(np.int64)
    return _Codes(codes, tuple(encoded.dictionary.to_pylist()))


def _plain(column: Any, kind: type, missing: float) -> NDArray[Any]:
    """Return an Arrow column as numpy, nulls as `missing`, from its buffers: its own `to_numpy` imports pandas."""
    length, offset = len(column), column.offset
    valid, data = column.buffers()
    if data is None or column.null_count == length:
        return np.full(length, missing, dtype=kind)
    values: NDArray[Any] = np.frombuffer(data, dtype=kind, count=offset + length)[offset:]
    if column.null_count == 0:
        return values
    bits = np.unpackbits(np.frombuffer(valid, dtype=np.uint8), bitorder="little")[offset : offset + length]
    return np.where(bits == 1, values, np.asarray(missing, dtype=kind))


def _translated(found: _Codes, positions: Mapping[str, int]) -> Integers:
    table = np.asarray([*(positions.get(name, -1) for name in found.names), -1], dtype=np.int64)
    return table[found.codes]  # code -1 is the last entry
