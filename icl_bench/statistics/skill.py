"""Skill: how near answers come to the best possible ones, on one range in every cell: 1 is Bayes, 0 predicting zero.

With b the Bayes prediction, e = p - b, c = (2 E|b|)^2, A = E min(e^2, c) and B = E min(b^2, c)

    skill = 1 - A/B            if A <= B
          = -(A - B)/(c - B)   else

lies in [-1, 1] and falls strictly in A. Every term is bounded, so the score and its interval exist for any learner
under any tail. Intervals are linearised (van der Vaart 1998, section 3.1), with the sampling error of c among them, and
count one adverse prompt more than was drawn: large errors that a sample missed are what a plain interval cannot know.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from icl_bench.arrays import Array, Integers
from icl_bench.statistics.intervals import student_t

CAP = 2.0
"""An error counts at most as this many times the typical size of the best possible answer."""
SAME_ANSWER = 1e-9
"""An error up to this share of the typical size counts as none: the same answer, computed otherwise."""
ROUNDING = 1e-12
"""Means that differ by this share are one mean, summed in another order."""


@dataclass(frozen=True, slots=True)
class Answerable:
    """What one cell's prompts offer: the best possible answer to each, and what follows from it alone."""

    square: Array  # (prompt,) b^2
    typical: float  # E|b|
    cap: float  # c
    of_zero: float  # B
    cap_influence: Array  # (prompt,) of c
    zero_influence: Array  # (prompt,) of B

    @classmethod
    def of(cls, square: Array) -> Answerable:
        """Return it from b^2 (prompt,), all finite."""
        size = np.sqrt(square)
        typical = float(size.mean())
        cap = (CAP * typical) ** 2
        cap_influence = 2.0 * CAP**2 * typical * (size - typical)
        capped = np.minimum(square, cap)
        of_zero = float(capped.mean())
        zero_influence = capped - of_zero + float((square > cap).mean()) * cap_influence
        return cls(square, typical, cap, of_zero, cap_influence, zero_influence)


@dataclass(frozen=True, slots=True)
class CellSkills:
    """The skill of every model in one cell, and what each prompt contributes to its error."""

    score: Array  # (model,)
    low: Array  # (model,) 95% interval; NaN where all prompts are one draw
    high: Array  # (model,)
    at_cap: Array  # (model,) share of answers that count at the cap
    charge: Array  # (model,) what one more prompt at the cap would cost, times the prompts
    influence: Array  # (prompt, model) of the score
    upward: Array  # (prompt, model) the same for the upper end, which a score below 0 may cross


def cell_skills(excess: Array, best: Answerable, starts: Integers) -> CellSkills:
    """Return the skill of models whose squared distances to b are `excess` (prompt, model), infinite: no answer.

    `starts` (cluster,) are the rows at which clusters of prompts that share a random part begin. A model without any
    answer has exactly -1, one with no error at all exactly 1. ValueError where b is 0 throughout.
    """
    if best.of_zero == 0.0:
        raise ValueError("expected Bayes predictions of which some are not 0")
    cap, of_zero = best.cap, best.of_zero
    error = np.where(excess <= (SAME_ANSWER * best.typical) ** 2, 0.0, excess)
    over = error > cap
    capped = np.minimum(error, cap)
    loss, share = np.minimum(capped.mean(axis=0), cap), over.mean(axis=0)
    loss[np.abs(loss - of_zero) <= ROUNDING * of_zero] = of_zero  # predicting zero is 0 to the bit
    unanswered, exact = ~np.isfinite(excess).any(axis=0), ~error.any(axis=0)
    certain = unanswered | exact
    d_cap, d_zero = best.cap_influence[:, None], best.zero_influence[:, None]
    d_loss = capped
    d_loss -= loss
    d_loss += share * d_cap
    above = loss <= of_zero
    upper = d_loss * (-1.0 / of_zero)
    upper += (loss / of_zero**2) * d_zero
    room = cap - of_zero
    lower = ((loss - of_zero) * (d_cap - d_zero) - (d_loss - d_zero) * room) / room**2
    straight = 1.0 - loss / of_zero
    score = np.where(unanswered, -1.0, np.where(above, straight, (of_zero - loss) / room))
    upper[:, certain] = lower[:, certain] = 0.0
    low, high = _cell_interval(straight, loss, best, upper, starts)
    low, high = (np.where(unanswered, -1.0, np.where(exact, 1.0, end)) for end in (low, high))
    charge = np.where(certain, 0.0, (cap - loss) / np.where(above, of_zero, room))
    influence = np.where(above, upper, lower)
    return CellSkills(score, low, high, share, charge, influence, np.where(high <= 0.0, influence, upper))


def _cell_interval(
    straight: Array, loss: Array, best: Answerable, influence: Array, starts: Integers
) -> tuple[Array, Array]:
    """Return the ends (model,) of a cell's interval: those of 1 - A/B, bent below 0 as the score is."""
    rows = clustered(influence, starts)
    count = rows.shape[0]
    if count < 2:
        absent = np.full_like(loss, np.nan)
        return absent, absent
    mean_size = influence.shape[0] / count
    worse, better = (best.cap - loss) / best.of_zero / mean_size, loss / best.of_zero / mean_size
    spread, reach = np.square(rows).sum(axis=0), student_t(count - 1.0, 0.95)

    def bent(end: Array) -> Array:
        inside: Array = np.clip(np.where(end < 0.0, end * best.of_zero / (best.cap - best.of_zero), end), -1.0, 1.0)
        return inside

    def width(charge: Array) -> Array:
        half: Array = reach * np.sqrt((spread + charge**2) / (count * (count + 1.0)))
        return half

    low = straight - worse / (count + 1.0) - width(worse)
    high = straight + better / (count + 1.0) + width(better)
    return bent(low), bent(high)


def clustered(influence: Array, starts: Integers) -> Array:
    """Return influences (prompt, model) as rows of clusters: a cluster's total times clusters over prompts."""
    prompts, clusters = influence.shape[0], len(starts)
    if clusters == prompts:
        return influence
    rows: Array = np.add.reduceat(influence, starts, axis=0) * (clusters / prompts)
    return rows


@dataclass(frozen=True, slots=True)
class MeanSkills:
    """Skill averaged over cells that share prompts, with rows over one common list of prompts or clusters.

    A row is what the score would move by, times the rows, were its prompts to weigh more.
    """

    score: Array  # (model,)
    charge: Array  # (model,) as of cells, averaged; of rows, so that it is to be divided by rows + 1
    down: Array  # (row, model)
    up: Array  # (row, model)

    def interval(self) -> tuple[Array, Array]:
        """Return the ends (model,) of the 95% interval, within [-1, 1]; NaN with fewer than two rows.

        A model whose every answer is without error, or that gave none at all, has its score exactly.
        """
        count = self.down.shape[0]
        if count < 2:
            absent = np.full_like(self.score, np.nan)
            return absent, absent
        reach = student_t(count - 1.0, 0.95)
        below, above = np.square(self.down).sum(axis=0), np.square(self.up).sum(axis=0)
        low = self.score - self.charge / (count + 1.0)
        low -= reach * np.sqrt((below + self.charge**2) / (count * (count + 1.0)))
        high = self.score + reach * np.sqrt(above / (count * (count - 1.0)))
        return np.clip(low, -1.0, 1.0), np.clip(high, -1.0, 1.0)


def mean_difference(one: MeanSkills, other: MeanSkills) -> tuple[Array, Array, Array]:
    """Return `other.score - one.score` (model,) with the ends of its 95% t interval; rows must be of the same prompts.

    NaN ends with fewer than two rows.
    """
    moved: Array = other.score - one.score
    rows = other.down - one.down
    count = rows.shape[0]
    if count < 2:
        return moved, np.full_like(moved, np.nan), np.full_like(moved, np.nan)
    half = student_t(count - 1.0, 0.95) * np.sqrt(np.square(rows).sum(axis=0) / (count * (count - 1.0)))
    return moved, np.clip(moved - half, -2.0, 2.0), np.clip(moved + half, -2.0, 2.0)


MOST_NOTHING = 0.05
"""A cell has something to know where mean b^2 is at least this share of mean f^2 ..."""
LEAST_MIDDLE = 0.3
"""... and the median of |b| at least this share of its mean."""


def nothing_to_know(square: Array, signal: Array | None) -> str:
    """Return why a cell with b^2 and f^2 (prompt,) measures no learner; empty where it does.

    The rest is a cell where the best possible answer is near zero (an orthogonal query, no examples, drowning noise),
    or is so for most prompts; there every learner is judged by rounding, or by a handful of prompts.
    """
    size = np.sqrt(square)
    typical = float(size.mean())
    if typical == 0.0:
        return "the best possible answer is 0 throughout"
    if signal is not None:
        share = float(square.mean()) / max(float(signal.mean()), math.ulp(0.0))
        if share < MOST_NOTHING:
            return f"the best possible answer explains {share:.1%} of f^2, less than {MOST_NOTHING:.0%}"
    middle = float(np.median(size)) / typical
    if middle < LEAST_MIDDLE:
        return f"the best possible answer is near 0 for most prompts (median over mean {middle:.2f} < {LEAST_MIDDLE})"
    return ""
