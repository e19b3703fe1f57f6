"""Risks per prompt at every severity of a run, brought to one common list of prompts so that they are paired."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from icl_bench.arrays import Array, Array32
from icl_bench.places import Place
from icl_bench.statistics.contrasts import jackknifed
from icl_bench.statistics.tails import tails
from icl_bench.tables.loss_sets import LossSet, StoredLosses
from icl_bench.tables.metric_roles import MetricRoles
from icl_bench.tables.schema import PROMPTS

FROZEN = "bayes_train"
"""The model whose answers are the Bayes predictions of the training law, whatever the test law."""


@dataclass(frozen=True, slots=True)
class RiskColumns:
    """The stored columns that scores rest on, by the part that each plays; None: the run has no such metric."""

    excess: str | None
    risk: str | None
    bayes: str | None  # what the best possible answer loses
    zero: str | None  # what predicting zero loses
    frozen: str | None  # how far answers are from those of `FROZEN`

    @classmethod
    def of(cls, losses: StoredLosses) -> RiskColumns:
        """Return those of a run."""
        roles = MetricRoles(losses.manifest.metric_cards)
        return cls(roles.excess, roles.risk, roles.bayes_risk, roles.signal, roles.distances.get(FROZEN))

    @property
    def stored(self) -> tuple[str, ...]:
        """The columns that the run has."""
        found = (self.excess, self.risk, self.bayes, self.zero, self.frozen)
        return tuple(column for column in found if column is not None)

    @property
    def of_zero(self) -> tuple[str, ...]:
        """The column of what predicting zero loses, none where the run has none."""
        return () if self.zero is None else (self.zero,)


@dataclass(frozen=True, slots=True)
class Quantity:
    """The mean of a loss, with what each prompt contributes to its error."""

    mean: float
    influence: Array  # (row,) of all seeds; its mean is 0, its cluster-robust variance that of `mean`
    has_variance: bool


@dataclass(frozen=True, slots=True)
class Absence:
    """Why a loss has no mean."""

    message: str


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """One scenario at one severity, all seeds: the prompt sets and what was read of them."""

    place: Place
    sets: tuple[LossSet, ...]  # a seed each
    values: tuple[dict[tuple[str, str], Array32], ...]  # a seed each: (model, column) -> (prompt,)


@dataclass(frozen=True, slots=True)
class CommonPrompts:
    """The common list of prompts: `stride` rows a seed, of which a point may use fewer."""

    seeds: tuple[int, ...]
    stride: int
    columns: RiskColumns

    @property
    def count(self) -> int:
        """All rows."""
        return len(self.seeds) * self.stride

    def cluster_size(self, points: Sequence[RiskPoint]) -> int | None:
        """Return how many rows in turn share a random part at some of the points; None when all rows do."""
        sizes = {place.cluster_size for point in points for place in point.sets}
        if None in sizes:
            return self.stride if len(self.seeds) > 1 else None
        return max((size for size in sizes if size is not None), default=1)

    def log_influence(self, point: RiskPoint, relative: Array) -> Array:
        """Return the influences (row,) of a logarithm of a mean whose prompts exceed it by the share `relative`."""
        return jackknifed(relative[:, None], self.cluster_size([point]))[:, 0]

    def risk(self, point: RiskPoint, model: str) -> Quantity | Absence:
        """Return a model's squared error to f: the Bayes risk plus the excess where both are stored, else as sampled.

        The sum has the same expectation and less variance, by Bayes orthogonality (THEORY, section 4).
        """
        own = self.columns
        by_excess = self.quantity(point, [(PROMPTS, own.bayes), (model, own.excess)])
        if isinstance(by_excess, Quantity) or any((model, own.risk) not in values for values in point.values):
            return by_excess
        if all((model, own.excess) in values for values in point.values):
            return by_excess  # stored, but its mean does not exist
        return self.quantity(point, [(model, own.risk)])

    def bayes(self, point: RiskPoint) -> Quantity | Absence:
        """Return what the best possible answer loses."""
        return self.quantity(point, [(PROMPTS, self.columns.bayes)])

    def zero(self, point: RiskPoint) -> Quantity | Absence:
        """Return what predicting zero loses."""
        return self.quantity(point, [(PROMPTS, self.columns.zero)])

    def quantity(self, point: RiskPoint, asked: Sequence[tuple[str, str | None]]) -> Quantity | Absence:
        """Return the mean over prompts of the sum of losses; `asked` names them by model and column."""
        terms = [(model, column) for model, column in asked if column is not None]
        if len(terms) < len(asked):
            lacking = next(model for model, column in asked if column is None)
            return Absence(_NO_COLUMN[lacking == PROMPTS])
        parts, first = [], point.sets[0]
        for place, values in zip(point.sets, point.values, strict=True):
            for model, column in terms:
                if (model, column) not in values:
                    return Absence(_why_absent(place, model, column))
            parts.append([values[term].astype(np.float64) for term in terms])
        exact = []
        position = first.context_sizes.index(first.headline_size)
        for number, (model, column) in enumerate(terms):
            whole = np.concatenate([part[number] for part in parts])
            known = first.cells[model].tails.get(column)
            exact.append(tails(None if known is None else [known[position]], whole[:, None]))
        if not all(bool(item.has_mean[0]) for item in exact):
            return Absence("the mean risk does not exist (tail index <= 1)")
        sums = [np.sum(part, axis=0) for part in parts]
        n_rows = sum(len(part) for part in sums)
        mean = math.fsum(float(part.sum()) for part in sums) / n_rows
        influence = np.zeros(self.count)
        for place, part in zip(point.sets, sums, strict=True):
            start = self.seeds.index(place.seed) * self.stride
            influence[start : start + len(part)] = (part - mean) * (self.count / n_rows)
        return Quantity(mean, influence, all(bool(item.has_variance[0]) for item in exact))


_NO_COLUMN = {
    True: "the run measured no Bayes risk, or no risk of predicting zero: name such metrics in the suite's [metrics]",
    False: "the run measured no risk against f(x), or none above Bayes: name such metrics in the suite's [metrics]",
}
"""Why there is no column, of the prompts alone or of models."""


def _why_absent(place: LossSet, model: str, column: str) -> str:
    cell = place.cells[model]
    if cell.status != "ok":
        return f"{cell.status}: {cell.message}" if cell.message else cell.status
    return cell.absent.get(column, f"the run did not store {column}: name it in the suite's [metrics]")


def read_points(losses: StoredLosses, columns: Sequence[str]) -> tuple[RiskPoint, ...]:
    """Return every scenario and severity of a run at its headline context size, read a prompt set at a time."""
    grouped: dict[Place, list[tuple[LossSet, dict[tuple[str, str], Array32]]]] = {}
    for loss_set in losses.sets:
        found = losses.read(loss_set, columns, [loss_set.headline_size])
        values = {
            (model, column): np.ascontiguousarray(losses_[:, 0])
            for model, columns in found.items()
            for column, losses_ in columns.items()
        }
        grouped.setdefault(loss_set.place, []).append((loss_set, values))
    return tuple(_points(grouped))


def _points(
    grouped: dict[Place, list[tuple[LossSet, dict[tuple[str, str], Array32]]]],
) -> Iterator[RiskPoint]:
    for place, members in grouped.items():
        sets, values = zip(*members, strict=True)
        yield RiskPoint(place, sets, values)


def prompt_rows(points: Sequence[RiskPoint], columns: RiskColumns) -> CommonPrompts:
    """Return the common list of prompts of all points."""
    sets = [place for point in points for place in point.sets]
    multiple = math.lcm(*{place.cluster_size or 1 for place in sets}) if sets else 1
    longest = max((place.n_prompts for place in sets), default=1)
    return CommonPrompts(tuple(sorted({place.seed for place in sets})), -(-longest // multiple) * multiple, columns)
