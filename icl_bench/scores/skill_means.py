"""Skill averaged over severities, scenarios and axes: sums over one common list of prompts, a place after another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from icl_bench.arrays import Array, Integers
from icl_bench.scores.skill_cells import PlaceSkills, cluster_starts
from icl_bench.statistics.skill import MeanSkills


@dataclass(slots=True)
class SkillSum:
    """The sum of some scores of every model, each of equal weight, and what they rest on.

    Influences are divided by the prompts of their cell, so that cells of different sizes add up.
    """

    stride: int  # rows of a seed in the common list
    total: Array  # (model,)
    charge: Array  # (model,) of rows
    down: Array  # (row, model)
    up: Array  # (row, model)
    terms: Integers  # (model,) scores that are in the sum
    points: Integers  # (model,) severities that are
    prompts: Integers  # (seed,) the most that a place has
    worst: Array  # (model,)
    worst_at: list[str]  # (model,)
    cluster_size: int | None = 1  # the largest of all places; None: all of a seed
    possible: int = 0  # severities that the score is over, whoever answered

    @classmethod
    def empty(cls, stride: int, seeds: int, models: int) -> SkillSum:
        """Return the sum of nothing."""
        rows = np.zeros((stride * seeds, models))
        none = np.zeros(models, dtype=np.int64)
        return cls(
            stride,
            np.zeros(models),
            np.zeros(models),
            rows,
            rows.copy(),
            none,
            none.copy(),
            np.zeros(seeds, dtype=np.int64),
            np.full(models, np.inf),
            [""] * models,
        )

    def add_place(self, found: PlaceSkills) -> None:
        """Add the scores of one place, of the models that were asked there."""
        asked = found.entered
        self.total += np.where(asked, found.cells.score, 0.0)
        self.charge += np.where(asked, found.cells.charge, 0.0)
        first = 0
        for seed, count in enumerate(found.prompts):
            own, common = slice(first, first + count), slice(seed * self.stride, seed * self.stride + count)
            self.down[common] += np.where(asked, found.cells.influence[own], 0.0) / found.n_prompts
            self.up[common] += np.where(asked, found.cells.upward[own], 0.0) / found.n_prompts
            first += count
        self.terms += asked
        self.points += asked
        self.possible += 1
        self.prompts = np.maximum(self.prompts, found.prompts)
        self._take_clusters(found.cluster_size)
        self._take_worst(np.where(asked, found.cells.score, np.inf), [found.place.name] * len(asked))

    def add_mean(self, other: SkillSum) -> None:
        """Add the mean of another sum as one score, of the models that have one."""
        known = other.terms > 0
        share = np.where(known, 1.0 / np.maximum(other.terms, 1), 0.0)
        self.total += share * other.total
        self.charge += share * other.charge
        self.down += share * other.down
        self.up += share * other.up
        self.terms += known
        self.points += other.points
        self.possible += other.possible
        self.prompts = np.maximum(self.prompts, other.prompts)
        self._take_clusters(other.cluster_size)
        self._take_worst(other.worst, other.worst_at)

    def mean(self) -> MeanSkills:
        """Return the mean of the scores, with a row a cluster; NaN for a model without any."""
        counts = self.prompts.tolist()
        size = self.cluster_size
        starts = cluster_starts([self.stride] * len(counts), self.stride if size is None else size)
        within = np.concatenate([np.arange(self.stride) < count for count in counts])
        first_rows = within[starts]  # a cluster beyond the prompts of its seed has none
        clusters = int(first_rows.sum())
        share = np.where(self.terms > 0, 1.0 / np.maximum(self.terms, 1), np.nan)

        def rows(influence: Array) -> Array:
            summed = influence if clusters == len(influence) else np.add.reduceat(influence, starts)[first_rows]
            found: Array = summed * (share * clusters)
            return found

        charge = share * self.charge * (clusters / max(sum(counts), 1))
        return MeanSkills(share * self.total, charge, rows(self.down), rows(self.up))

    def _take_clusters(self, size: int | None) -> None:
        self.cluster_size = None if size is None or self.cluster_size is None else max(size, self.cluster_size)

    def _take_worst(self, scores: Array, places: list[str]) -> None:
        for model in np.flatnonzero(scores < self.worst):
            self.worst_at[model] = places[model]
        self.worst = np.minimum(self.worst, scores)
