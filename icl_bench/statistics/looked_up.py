"""Answers that know what their prompts do not tell: looked up, not learned in context.

Let b and v be the posterior mean and variance of f at a query. What a prompt leaves open, f - b, has mean 0 given all
that a learner may see, so an honest answer p has E (p - b)(b - f) = 0, however bad it is. An answer that was looked up
moves from b towards f, and the product is below 0. Per prompt and context size

    u = clip((p - b) / sqrt v, +-3) (b - f) / sqrt v

(averaged over the queries of a size), and over prompts z = (sum U + n rho) / sqrt(sum U^2), U the sum of u over the
sizes of a cell. The clip bounds what one wild answer weighs. U is 0 in the mean and uncorrelated between prompts, so z
is near normal whatever the spread of U (a self-normalised sum), and z >= -sqrt(n): fewer than 36 prompts say nothing.
A b that is the mean of two independent halves has an error of its own, which pulls z below 0 for every honest answer
that comes nearer to the exact b; rho, the mean of (b1 - b2)^2 / (4 v) summed as U is, takes that away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from icl_bench.arrays import Array, Array32, Floats, Integers

LIMIT = 6.0
"""Answers were looked up where z is below minus this; above it, the Bayes prediction is wrong."""
FEWEST = 36
"""Prompts below which nothing is judged: |z| is at most the root of their number."""
REACH = 3.0
"""How far from b, in posterior standard deviations, an answer counts."""
ROUNDING = 1e-12
"""Share of the mean f^2 up to which a posterior variance is rounding, and b - f with it."""


@dataclass(frozen=True, slots=True)
class Unsaid:
    """What the prompts of one block leave open, for answers to be held against."""

    bayes: Array  # (prompt, query) b
    scale: Array  # (prompt, query) 1 / sqrt v; 0 where nothing is open but rounding
    error: Array  # (prompt, query) (b - f) / sqrt v; 0 likewise
    sizes: tuple[slice, ...] | None  # the queries of each context size; None: one query each, in order

    @classmethod
    def of(cls, bayes: Array, variance: Array, truth: Array, position: Integers) -> Self:
        """Return it from b, v and f (prompt, query); `position` (query,) counts up: each query's size among sizes.

        Left out are places with v <= 1e-12 mean f^2 (of that size in the block), and a whole size where the mean v is.
        """
        starts = np.flatnonzero(np.diff(position, prepend=-1))
        ends = [*starts[1:].tolist(), len(position)]
        sizes = tuple(slice(start, end) for start, end in zip(starts.tolist(), ends, strict=True))
        scale = np.zeros_like(bayes)
        for place in sizes:
            least = ROUNDING * float(np.mean(truth[:, place] ** 2))
            own = variance[:, place]
            if np.mean(own) > least:
                is_open = (own > least) & np.isfinite(bayes[:, place]) & np.isfinite(own)
                scale[:, place] = np.where(is_open, 1.0 / np.sqrt(np.where(is_open, own, 1.0)), 0.0)
        error = np.where(scale > 0.0, (bayes - truth) * scale, 0.0)
        return cls(bayes, scale, error, None if len(sizes) == len(position) else sizes)

    def column(self, answers: Array) -> Array32:
        """Return u of answers (prompt, query) by context size, (prompt, size); NaN where no place of a size counts.

        A place that is left out, or whose answer is not finite, adds 0 to the average of its size.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            reach = (answers - self.bayes) * self.scale
            counts = np.isfinite(answers) & (self.scale > 0.0)
            found = np.where(counts, np.clip(reach, -REACH, REACH) * self.error, 0.0)
            if self.sizes is not None:
                found = np.stack([found[:, place].mean(axis=1) for place in self.sizes], axis=1)
                counts = np.stack([counts[:, place].any(axis=1) for place in self.sizes], axis=1)
            return np.where(counts, found, np.nan).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What U says of a cell, or of a seed's cells together."""

    z: float
    n_prompts: int  # that count

    @property
    def looked_up(self) -> bool:
        """Whether answers were looked up."""
        return self.z < -LIMIT

    @property
    def wrong_bayes(self) -> bool:
        """Whether the Bayes prediction itself is wrong: neither honest nor looked-up answers come here."""
        return self.z > LIMIT

    @property
    def smallest_share(self) -> float:
        """The share of the prompts that must be known to be found, about: 36/n."""
        return FEWEST / self.n_prompts


def by_prompt(column: Floats) -> Array:
    """Return U (prompt,), the sum of u (prompt, size) over sizes; NaN for a prompt without any."""
    known = np.isfinite(column)
    total: Array = np.where(known, column, 0.0).sum(axis=1, dtype=np.float64)
    total[~known.any(axis=1)] = np.nan
    return total


def pooled(total: Array, other: Array) -> Array:
    """Return U summed by prompt over two cells (prompt,) of the same seed, of which one may have more prompts."""
    longer, shorter = (total, other) if len(total) >= len(other) else (other, total)
    found, rows = longer.copy(), len(shorter)
    both = np.where(np.isnan(found[:rows]), 0.0, found[:rows]) + np.where(np.isnan(shorter), 0.0, shorter)
    found[:rows] = np.where(np.isnan(found[:rows]) & np.isnan(shorter), np.nan, both)
    return found


def judge(total: Array, rho: float = 0.0) -> Judgement | None:
    """Return z of U (prompt,); None where fewer than 36 prompts are left or every U is 0.

    `rho` is 0 for a closed Bayes prediction; see above for one that has an error of its own.
    """
    left = total[np.isfinite(total)]
    size = math.sqrt(float(np.square(left).sum()))
    if len(left) < FEWEST or size == 0.0:
        return None
    return Judgement((float(left.sum()) + len(left) * rho) / size, len(left))
