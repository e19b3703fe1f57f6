"""A test that may be looked at every night: a one-sided normal mixture of all prompts seen so far.

The score is pooled over prompts, not weighted by each night's precision. A night's standard error depends on the same
prompts as its estimate, so for skewed differences the weighted sum drifts although nothing got worse: with head's
losses less spread than base's, an e-process weighted by precision cried wolf in every simulated year.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from icl_bench.arrays import Array
from icl_bench.errors import UsageError
from icl_bench.statistics.non_inferiority import FLOAT32_SLACK, log_margin

LIKELY_RISE = 0.03
"""Scale of the mixture, a log ratio beyond the margin: within 20% of the quickest for rises from 1% to 5%."""

LARGEST_LOG_RATIO = 0.5
"""A night further than this from the margin counts as this far. The variance is taken about the margin, so that a
larger step would hide itself; this one alarms on the first night of 256 prompts, also when the change is infinite."""


@dataclass(frozen=True, slots=True)
class MixtureState:
    """What all looks so far say about each hypothesis "the log ratio is at most the margin's"."""

    information: Array  # (hypothesis,) 1 / variance of the pooled excess over the margin
    score: Array  # (hypothesis,) information times the pooled excess
    clusters: Array  # (hypothesis,) independent prompts (or clusters of prompts) seen

    @staticmethod
    def empty(n: int) -> MixtureState:
        """Return the state of `n` hypotheses before any look."""
        return MixtureState(np.zeros(n), np.zeros(n), np.zeros(n))

    def updated(self, estimate: Array, stderr: Array, margin: float, degrees: float) -> MixtureState:
        """Return the state after one more look at fresh prompts.

        `estimate` and `stderr` (hypothesis,) of the log ratio, `degrees` = clusters - 1 of that look, as in a
        `Contrast`. NaN in either means that this hypothesis was not looked at. The variance is taken about the margin,
        stderr^2 (degrees + t^2) / (degrees + 1), which makes exp(lambda S - lambda^2 V / 2) a supermartingale for
        symmetric differences whatever their tails (de la Pena 1999, section 6). 1e-12, the squared precision of the
        losses, is added, so that a standard error of 0 can be divided by. UsageError for a margin that is no number of
        at least 0.
        """
        looked = np.isfinite(stderr) & ~np.isnan(estimate)
        beyond = np.where(looked, estimate, 0.0) - log_margin(margin)
        excess = np.where(looked, np.clip(beyond, -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO), 0.0)
        count = degrees + 1.0
        square = (degrees * np.square(np.where(looked, stderr, 0.0)) + np.square(excess)) / count + FLOAT32_SLACK**2
        seen = self.information > 0.0
        known = np.where(seen, self.information, 1.0)
        total = self.clusters * np.where(seen, self.score / known, 0.0) + count * excess
        spread = np.where(seen, np.square(self.clusters) / known, 0.0) + count * count * square
        clusters = self.clusters + count
        return MixtureState(
            np.where(looked, clusters * clusters / spread, self.information),
            np.where(looked, clusters * total / spread, self.score),
            np.where(looked, clusters, self.clusters),
        )

    def log_e(self, scale: float = LIKELY_RISE) -> Array:
        """Return log e-values (hypothesis,): reject where at least log(1 / alpha), at any time (Ville 1939).

        log of the integral of exp(lambda S - lambda^2 V / 2) over lambda >= 0 with a half-normal density of standard
        deviation `scale`: log 2 - log(D) / 2 + (scale S)^2 / (2 D) + log Phi(scale S / sqrt(D)), D = 1 + scale^2 V
        (Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021, proposition 6). Valid in the limit of many prompts, as
        every test with an estimated variance; docs/statistics.md has what holds at 256 and more a night. UsageError
        unless `scale` is positive.
        """
        from scipy.special import log_ndtr

        if not (math.isfinite(scale) and scale > 0.0):
            raise UsageError(f"expected a positive scale, the log ratio that is likely (such as 0.03), got {scale}")
        spread = 1.0 + scale * scale * self.information
        drift = scale * self.score / np.sqrt(spread)
        value: Array = math.log(2.0) - 0.5 * np.log(spread) + 0.5 * np.square(drift) + log_ndtr(drift)
        return value
