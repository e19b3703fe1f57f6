"""How often the gate, its intervals and the nightly test err, by simulation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evidence.paired_losses import LossLaw, clustered_pair, family
from icl_bench.arrays import Array, Array32, Flags
from icl_bench.statistics.contrasts import Contrast, contrast, log_mean, ratio_interval, relative_change
from icl_bench.statistics.intervals import mean_interval
from icl_bench.statistics.multiplicity import weighted_holm
from icl_bench.statistics.non_inferiority import smallest_detectable, worse_p_value
from icl_bench.statistics.quantiles import quantiles
from icl_bench.statistics.tails import tails

Interval = tuple[Array, Array, float]
Pair = tuple[LossLaw, LossLaw]

CORRELATION = 0.9
"""Of the losses of base and head on the same prompts, where nothing else is said."""

KAPPA = 0.25
CLUSTER_SIZE = 64
COLUMNS = 50
"""Repetitions drawn at once."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of repetitions with its Monte Carlo standard error."""

    value: float
    repetitions: int

    @property
    def stderr(self) -> float:
        return math.sqrt(max(self.value * (1.0 - self.value), 0.0) / self.repetitions)

    def __str__(self) -> str:
        return f"{100 * self.value:.1f}% ± {100 * self.stderr:.1f}"


def rate(flags: Flags) -> Rate:
    """Return the share of true `flags`, NaN of none."""
    return Rate(float(flags.mean()) if flags.size else math.nan, flags.size)


def any_of(flags: Flags) -> Flags:
    """Return whether any of each repetition's `flags` (repetition, hypothesis) is true (repetition,)."""
    found: Flags = np.logical_or.reduce(flags, axis=1)
    return found


@dataclass(frozen=True, slots=True)
class Changes:
    """Log ratios of every repetition (repetition, hypothesis) where base and head have the same law."""

    value: Array
    stderr: Array
    unpaired_stderr: Array
    degrees: float

    def shifted(self, truth: Array | float) -> Changes:
        """Return the changes had head's losses been exp(`truth`) times as large: nothing else depends on a factor."""
        return Changes(self.value + truth, self.stderr, self.unpaired_stderr, self.degrees)


def paired_changes(laws: Pair, seed: int, shape: tuple[int, int], prompts: int, sizes: int = 1) -> Changes:
    """Return the changes of `shape` (repetition, cell * sizes) at `prompts` prompts, losses correlated .9.

    `sizes` consecutive hypotheses are the context sizes of one cell; their losses are correlated as base and head are.
    """
    generator = np.random.default_rng(seed)
    repetitions, hypotheses = shape
    found = np.empty((3, repetitions, hypotheses))
    for repetition in range(repetitions):
        members = family(laws * sizes, generator, (prompts, hypotheses // sizes), CORRELATION)
        base, head = (np.stack(list(members[side::2]), axis=-1).reshape(prompts, hypotheses) for side in (0, 1))
        change = relative_change(base, head, "mean")
        apart = [contrast(*log_mean(losses)).stderr for losses in (base, head)]
        found[:, repetition] = change.value, change.stderr, np.hypot(*apart)
    return Changes(found[0], found[1], found[2], prompts - 1.0)


def gate(changes: Changes, margin: float, alpha: float, weights: Array | None = None) -> Flags:
    """Return which hypotheses (repetition, hypothesis) the gate calls worse: Student's t, weighted Holm."""
    shares = np.ones(changes.value.shape[1]) if weights is None else weights
    p_values = worse_p_value(Contrast(changes.value, changes.stderr, changes.degrees), margin)
    return np.stack([weighted_holm(row, shares) <= alpha for row in p_values])


def headline_weights(cells: int, sizes: int) -> Array:
    """Return half the weight on each cell's first hypothesis and half shared by its others."""
    one = np.full(sizes, 0.5 / (sizes - 1))
    one[0] = 0.5
    return np.tile(one, cells)


def alternatives(changes: Changes, margin: float, alpha: float) -> dict[str, Flags]:
    """Return what simpler rules call worse (repetition, hypothesis)."""
    paired = Contrast(changes.value, changes.stderr, changes.degrees)
    unpaired = Contrast(changes.value, changes.unpaired_stderr, 2.0 * changes.degrees)
    welch = worse_p_value(unpaired, margin)
    even = np.ones(changes.value.shape[1])
    return {
        "paired t, margin, no correction": worse_p_value(paired, margin) <= alpha,
        "paired t, no margin, no correction": worse_p_value(paired, 0.0) <= alpha,
        "unpaired Welch t, margin, Holm": np.stack([weighted_holm(row, even) <= alpha for row in welch]),
        "point estimate above 5%": np.expm1(changes.value) > 0.05,
        "point estimate above the margin": np.expm1(changes.value) > margin,
    }


def detectable_power(law: LossLaw, seed: int, repetitions: int, prompts: int, level: float) -> Rate:
    """Return the chance of finding the change that `smallest_detectable` names for a margin of 1% at `level`."""
    changes = paired_changes((law, law), seed, (max(repetitions // COLUMNS, 1), COLUMNS), prompts)
    typical = np.sqrt(np.square(changes.stderr).mean(keepdims=True))
    rise = smallest_detectable(typical, changes.degrees, 0.01, level)
    moved = changes.shifted(np.log1p(rise))
    return rate(worse_p_value(Contrast(moved.value, moved.stderr, moved.degrees), 0.01) <= level)


def intervals(losses: Array32, law: LossLaw) -> Iterator[tuple[str, Interval]]:
    """Yield each interval of `losses` (member, prompt, column) with its truth; means only where the law has them."""
    doubles = losses.astype(np.float64)
    if not math.isnan(law.mean):
        plain = mean_interval(doubles[0])
        yield "mean", (plain.low, plain.high, law.mean)
        ratio = ratio_interval(doubles[1], doubles[0])
        yield "ratio of means", (ratio.low, ratio.high, 1.0)
        yield "change of means", (*relative_change(losses[0], losses[1], "mean").interval(), 0.0)
        yield "SDR", _sum_of_logs(losses, law.mean, SDR_SIGNS, SDR_SCALES)
        yield "AUSC", _sum_of_logs(losses, law.mean, AUSC_SIGNS, AUSC_SCALES)
    ordered = quantiles(doubles[0])
    yield "median", (ordered.median_low, ordered.median_high, law.median)
    yield "change of medians", (*relative_change(losses[0], losses[1], "median").interval(), 0.0)


SDR_SIGNS, SDR_SCALES = (1.0, -1.0, -1.0, 1.0), (4.0, 1.0, 1.5, 0.8)
AUSC_SIGNS, AUSC_SCALES = (1 / 3, -1 / 3) * 3, (1.2, 1.0, 2.0, 0.8, 6.0, 0.5)


def _sum_of_logs(losses: Array32, mean: float, signs: tuple[float, ...], scales: tuple[float, ...]) -> Interval:
    """Return the interval of sum_j sign_j log(scale_j mean_j + kappa), one term a member, and its truth."""
    terms = [log_mean(np.float32(scale) * one, KAPPA) for one, scale in zip(losses, scales, strict=False)]
    value = sum((sign * term[0] for sign, term in zip(signs, terms, strict=False)), np.zeros(losses.shape[2]))
    influence = sum((sign * term[1] for sign, term in zip(signs, terms, strict=False)), np.zeros(losses.shape[1:]))
    truth = sum(sign * math.log(scale * mean + KAPPA) for sign, scale in zip(signs, scales, strict=True))
    return (*contrast(value, influence).interval(), truth)


def coverage(law: LossLaw, seed: int, repetitions: int, prompts: int) -> dict[str, Rate]:
    """Return how often each interval covers the truth, over `repetitions` sets of `prompts` prompts."""
    generator = np.random.default_rng(seed)
    covered: dict[str, list[Flags]] = {}
    for _ in range(max(repetitions // COLUMNS, 1)):
        losses = family([law] * 6, generator, (prompts, COLUMNS), CORRELATION)
        for name, (low, high, truth) in intervals(losses, law):
            covered.setdefault(name, []).append((low <= truth) & (truth <= high))
    return {name: rate(np.concatenate(flags)) for name, flags in covered.items()}


def tail_verdicts(law: LossLaw, mean: float, seed: int, repetitions: int, prompts: int) -> tuple[Rate, Rate, Rate]:
    """Return how often Hill's estimate grants a mean and a variance, and how often an interval so printed covers."""
    generator = np.random.default_rng(seed)
    has_mean, has_variance, covered = [], [], []
    for _ in range(max(repetitions // COLUMNS, 1)):
        losses = family([law], generator, (prompts, COLUMNS), 0.0)[0].astype(np.float64)
        found, interval = tails(None, losses), mean_interval(losses)
        has_mean.append(found.has_mean)
        has_variance.append(found.has_variance)
        covered.append(((interval.low <= mean) & (mean <= interval.high))[found.has_variance])
    return rate(np.concatenate(has_mean)), rate(np.concatenate(has_variance)), rate(np.concatenate(covered))


def median_coverage(law: LossLaw, seed: int, repetitions: int, prompts: int, correlation: float) -> Rate:
    """Return how often the interval of the change of medians covers 0."""
    generator = np.random.default_rng(seed)
    covered = []
    for _ in range(max(repetitions // COLUMNS, 1)):
        base, head = family([law] * 2, generator, (prompts, COLUMNS), correlation)
        low, high = relative_change(base, head, "median").interval()
        covered.append((low <= 0.0) & (high >= 0.0))
    return rate(np.concatenate(covered))


def clustered_coverage(shape: float, seed: int, repetitions: int, clusters: int) -> dict[str, Rate]:
    """Return how often intervals over clusters of 64 prompts cover, the shared level gamma with `shape`."""
    generator = np.random.default_rng(seed)
    covered: dict[str, list[Flags]] = {}
    for _ in range(max(repetitions // COLUMNS, 1)):
        base, head = clustered_pair(generator, shape, clusters, CLUSTER_SIZE, COLUMNS)
        plain = mean_interval(base.astype(np.float64), CLUSTER_SIZE)
        ratio = ratio_interval(head.astype(np.float64), base.astype(np.float64), CLUSTER_SIZE)
        level = contrast(*log_mean(base, 0.0, CLUSTER_SIZE), CLUSTER_SIZE).interval()
        found: dict[str, Interval] = {
            "mean": (plain.low, plain.high, 1.0),
            "ratio of means": (ratio.low, ratio.high, 1.0),
            "log mean": (*level, 0.0),
            "change of means": (*relative_change(base, head, "mean", 0.0, CLUSTER_SIZE).interval(), 0.0),
            "change of medians": (*relative_change(base, head, "median", 0.0, CLUSTER_SIZE).interval(), 0.0),
        }
        for name, (low, high, truth) in found.items():
            covered.setdefault(name, []).append((low <= truth) & (truth <= high))
    return {name: rate(np.concatenate(flags)) for name, flags in covered.items()}
