"""How often the gate, its intervals and the nightly test err, by simulation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evidence.paired_losses import LossLaw, clustered_pair, family
from icl_bench.arrays import Array, Array32, Flags
from icl_bench.compare.limits import RELATIVE_FLOOR, Limits
from icl_bench.statistics.contrasts import Contrast, adverse_change, contrast, jackknifed, ratio_interval
from icl_bench.statistics.effective_number import FEWEST_EFFECTIVE, effective_number
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
    """Log ratios of every repetition (repetition, hypothesis), as the gate takes them."""

    value: Array
    stderr: Array
    charge: Array  # what one adverse prompt more than was drawn would move the value by
    unpaired_stderr: Array
    degrees: float

    @property
    def charged(self) -> Contrast:
        """What the gate tests."""
        return Contrast(self.value, self.stderr, self.degrees, self.charge)

    @property
    def plain(self) -> Contrast:
        """The same without the adverse prompt."""
        count = self.degrees + 1.0
        square = np.square(self.stderr) - np.square(self.charge) * count / (count - 1.0)
        return Contrast(self.value, np.sqrt(np.maximum(square, 0.0)), self.degrees)


def bears_mean(base: Array32, head: Array32, cluster_size: int = 1) -> Flags:
    """Tell of every column of losses (prompt, column) whether the gate compares its means (compare/changes.py)."""
    enough = [effective_number(losses, cluster_size) >= FEWEST_EFFECTIVE for losses in (base, head)]
    both: Flags = enough[0] & enough[1]
    return both


def gate_change(base: Array32, head: Array32, by_mean: Flags, cluster_size: int = 1) -> Contrast:
    """Return the change that the gate tests, of means or of losses that are cut where `by_mean` is false."""
    cut = np.where(by_mean, np.inf, Limits(0.0, None).cut(base))
    floor = RELATIVE_FLOOR * base.mean(axis=0, dtype=np.float64)
    return adverse_change(np.minimum(base, cut), np.minimum(head, cut), floor, cluster_size)


def drawn_pair(
    laws: Pair, generator: np.random.Generator, prompts: int, hypotheses: int, sizes: int
) -> tuple[Array32, Array32]:
    """Return the losses (prompt, hypothesis) of base and head, correlated .9.

    `sizes` consecutive hypotheses are the context sizes of one cell; their losses are correlated as base and head are.
    """
    members = family(laws * sizes, generator, (prompts, hypotheses // sizes), CORRELATION)
    base, head = (np.stack(list(members[side::2]), axis=-1).reshape(prompts, hypotheses) for side in (0, 1))
    return base, head


def paired_changes(
    laws: Pair,
    seed: int,
    shape: tuple[int, int],
    prompts: int,
    sizes: int = 1,
    truths: Sequence[Array | float] = (0.0,),
) -> list[Changes]:
    """Return the changes of `shape` (repetition, cell * sizes) for each of `truths`, head's losses exp(truth) as large.

    The losses are the same for all truths. A factor moves the ratio of means by itself and nothing else; where losses
    are cut, they are multiplied and cut anew.
    """
    generator = np.random.default_rng(seed)
    repetitions, hypotheses = shape
    factors = [np.broadcast_to(np.asarray(truth, dtype=np.float64), (hypotheses,)) for truth in truths]
    found = np.empty((len(truths), 4, repetitions, hypotheses))
    for repetition in range(repetitions):
        base, head = drawn_pair(laws, generator, prompts, hypotheses, sizes)
        by_mean = bears_mean(base, head)
        plain = gate_change(base, head, by_mean)
        apart = [losses.std(axis=0, ddof=1) / losses.mean(axis=0) / math.sqrt(prompts) for losses in (base, head)]
        cut = np.flatnonzero(~by_mean)
        for at, truth in enumerate(factors):
            own = found[at, :, repetition]
            own[:] = plain.value + truth, plain.stderr, plain.charge, np.hypot(*apart)
            moved = cut[truth[cut] != 0.0]
            if len(moved):
                risen = head[:, moved] * np.exp(truth[moved]).astype(np.float32)
                change = gate_change(base[:, moved], risen, by_mean[moved])
                own[:3, moved] = change.value, change.stderr, change.charge
    return [Changes(each[0], each[1], each[2], each[3], prompts - 1.0) for each in found]


def gate(changes: Changes, margin: float, alpha: float, weights: Array | None = None) -> Flags:
    """Return which hypotheses (repetition, hypothesis) the gate calls worse: Student's t, weighted Holm."""
    shares = np.ones(changes.value.shape[1]) if weights is None else weights
    p_values = worse_p_value(changes.charged, margin)
    return np.stack([weighted_holm(row, shares) <= alpha for row in p_values])


def headline_weights(cells: int, sizes: int) -> Array:
    """Return half the weight on each cell's first hypothesis and half shared by its others."""
    one = np.full(sizes, 0.5 / (sizes - 1))
    one[0] = 0.5
    return np.tile(one, cells)


def alternatives(changes: Changes, margin: float, alpha: float) -> dict[str, Flags]:
    """Return what simpler rules call worse (repetition, hypothesis)."""
    paired = changes.plain
    unpaired = Contrast(changes.value, changes.unpaired_stderr, 2.0 * changes.degrees)
    holm, welch = worse_p_value(paired, margin), worse_p_value(unpaired, margin)
    even = np.ones(changes.value.shape[1])
    return {
        "paired t, margin, Holm": np.stack([weighted_holm(row, even) <= alpha for row in holm]),
        "paired t, margin, no correction": holm <= alpha,
        "paired t, no margin, no correction": worse_p_value(paired, 0.0) <= alpha,
        "unpaired Welch t, margin, Holm": np.stack([weighted_holm(row, even) <= alpha for row in welch]),
        "point estimate above 5%": np.expm1(changes.value) > 0.05,
        "point estimate above the margin": np.expm1(changes.value) > margin,
    }


def detectable_power(law: LossLaw, seed: int, repetitions: int, prompts: int, level: float) -> Rate:
    """Return the chance of finding the change that `smallest_detectable` names for a margin of 1% at `level`."""
    shape = (max(repetitions // COLUMNS, 1), COLUMNS)
    (changes,) = paired_changes((law, law), seed, shape, prompts)
    typical = np.sqrt(np.square(changes.stderr).mean(keepdims=True)).ravel()
    rise = smallest_detectable(typical, changes.degrees, 0.01, level, charge=float(changes.charge.mean()))
    (moved,) = paired_changes((law, law), seed, shape, prompts, 1, [float(np.log1p(rise[0]))])
    return rate(worse_p_value(moved.charged, 0.01) <= level)


def intervals(losses: Array32, law: LossLaw) -> Iterator[tuple[str, Interval]]:
    """Yield each interval of `losses` (member, prompt, column) with its truth; means only where the law has them."""
    doubles = losses.astype(np.float64)
    if not math.isnan(law.mean):
        plain = mean_interval(doubles[0])
        yield "mean", (plain.low, plain.high, law.mean)
        ratio = ratio_interval(doubles[1], doubles[0])
        yield "ratio of means", (ratio.low, ratio.high, 1.0)
        yield "SDR", _sum_of_logs(losses, law.mean, SDR_SIGNS, SDR_SCALES)
        yield "AUSC", _sum_of_logs(losses, law.mean, AUSC_SIGNS, AUSC_SCALES)
    ordered = quantiles(doubles[0])
    yield "median", (ordered.median_low, ordered.median_high, law.median)
    by_mean = bears_mean(losses[0], losses[1]) & (not math.isnan(law.mean))
    yield "change in the gate", (*gate_change(losses[0], losses[1], by_mean).interval(), 0.0)


SDR_SIGNS, SDR_SCALES = (1.0, -1.0, -1.0, 1.0), (4.0, 1.0, 1.5, 0.8)
AUSC_SIGNS, AUSC_SCALES = (1 / 3, -1 / 3) * 3, (1.2, 1.0, 2.0, 0.8, 6.0, 0.5)


def _sum_of_logs(losses: Array32, mean: float, signs: tuple[float, ...], scales: tuple[float, ...]) -> Interval:
    """Return the interval of sum_j sign_j log(scale_j mean_j + kappa), one term a member, and its truth."""
    terms = [_log_mean(np.float32(scale) * one, KAPPA) for one, scale in zip(losses, scales, strict=False)]
    value = sum((sign * term[0] for sign, term in zip(signs, terms, strict=False)), np.zeros(losses.shape[2]))
    influence = sum((sign * term[1] for sign, term in zip(signs, terms, strict=False)), np.zeros(losses.shape[1:]))
    truth = sum(sign * math.log(scale * mean + KAPPA) for sign, scale in zip(signs, scales, strict=True))
    return (*contrast(value, influence).interval(), truth)


def _log_mean(losses: Array32, offset: float, cluster_size: int = 1) -> tuple[Array, Array]:
    """Return log(mean + offset) (column,) and its influences (prompt, column), as run-level scores take them."""
    doubles = losses.astype(np.float64)
    size = doubles.mean(axis=0) + offset
    return np.log(size), jackknifed((doubles - doubles.mean(axis=0)) / size, cluster_size)


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
    """Return how often a mean is said to exist, how often its interval is printed, and how often such a one covers.

    Where no theory gives the tail: Hill's estimate must grant a variance, and the effective number be 30 or more.
    """
    generator = np.random.default_rng(seed)
    has_mean, printed, covered = [], [], []
    for _ in range(max(repetitions // COLUMNS, 1)):
        losses = family([law], generator, (prompts, COLUMNS), 0.0)[0].astype(np.float64)
        found, interval = tails(None, losses), mean_interval(losses)
        has_mean.append(found.has_mean)
        printed.append(found.has_variance & (effective_number(losses) >= FEWEST_EFFECTIVE))
        covered.append(((interval.low <= mean) & (mean <= interval.high))[printed[-1]])
    return rate(np.concatenate(has_mean)), rate(np.concatenate(printed)), rate(np.concatenate(covered))


def clustered_coverage(shape: float, seed: int, repetitions: int, clusters: int) -> dict[str, Rate]:
    """Return how often intervals over clusters of 64 prompts cover, the shared level gamma with `shape`."""
    generator = np.random.default_rng(seed)
    covered: dict[str, list[Flags]] = {}
    for _ in range(max(repetitions // COLUMNS, 1)):
        base, head = clustered_pair(generator, shape, clusters, CLUSTER_SIZE, COLUMNS)
        plain = mean_interval(base.astype(np.float64), CLUSTER_SIZE)
        ratio = ratio_interval(head.astype(np.float64), base.astype(np.float64), CLUSTER_SIZE)
        level = contrast(*_log_mean(base, 0.0, CLUSTER_SIZE), CLUSTER_SIZE).interval()
        change = gate_change(base, head, bears_mean(base, head, CLUSTER_SIZE), CLUSTER_SIZE)
        found: dict[str, Interval] = {
            "mean": (plain.low, plain.high, 1.0),
            "ratio of means": (ratio.low, ratio.high, 1.0),
            "log mean": (*level, 0.0),
            "change in the gate": (*change.interval(), 0.0),
        }
        for name, (low, high, truth) in found.items():
            covered.setdefault(name, []).append((low <= truth) & (truth <= high))
    return {name: rate(np.concatenate(flags)) for name, flags in covered.items()}
