"""How the risk of each cell changed: paired on the same prompts, a scenario and severity at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from icl_bench.arrays import Array, Array32, Flags
from icl_bench.compare.cells import BROKEN, ComparedCell, Uncompared
from icl_bench.compare.pairing import PairedPoint, PairedSet
from icl_bench.compare.pooling import cluster_rows, whole_clusters
from icl_bench.statistics.contrasts import Contrast, relative_change
from icl_bench.statistics.tails import tails
from icl_bench.tables.loss_sets import LossSet, ModelLosses, StoredLosses
from icl_bench.tables.metric_roles import MetricRoles
from icl_bench.tables.schema import PROMPTS

Kind = Literal["mean", "median"]

RELATIVE_FLOOR = 1e-6
"""Share of the signal that is added to both risks: below it a risk is rounding, and its changes mean nothing."""
SMALLEST_FLOOR = 1e-30


@dataclass(frozen=True, slots=True)
class CellChange:
    """The change of one cell from BASE to HEAD at every context size that is judged."""

    cell: ComparedCell
    seeds: tuple[int, ...]
    n_prompts: int  # of all seeds together
    sizes: tuple[int, ...]
    headline: int  # position of the headline context size
    equal: bool  # whether every loss is the same, bit by bit
    by_mean: Flags  # (size,) ratio of means; of medians where no mean or no variance exists
    base_risk: Array  # (size,) mean or median in BASE; NaN where the losses are equal and nothing was computed
    head_risk: Array  # (size,)
    change: Contrast  # of the logarithm of the risk, (size,)
    better_high: bool = False  # whether a fall, not a rise, is worse

    @property
    def harm(self) -> float:
        """By how much the logarithm moved to the worse at the headline size."""
        moved = float(self.change.value[self.headline])
        return -moved if self.better_high else moved

    @property
    def headline_size(self) -> int:
        """Context size that summaries show."""
        return self.sizes[self.headline]

    @property
    def statistic(self) -> Kind:
        """What is compared at the headline size."""
        return "mean" if self.by_mean[self.headline] else "median"


def share(log_ratio: float) -> float:
    """Return a ratio less one, 0.05 for a rise of 5%, from its logarithm."""
    return math.expm1(log_ratio) if log_ratio < 700.0 else math.inf


def point_changes(
    base: StoredLosses,
    head: StoredLosses,
    point: PairedPoint,
    metric: str,
    kinds: Mapping[ComparedCell, Kind] | None = None,
) -> Iterator[CellChange | Uncompared]:
    """Yield the change of every cell of one scenario and severity, its seeds pooled as further prompts.

    `kinds` is a nightly gate's: it fixes what is compared in the cells that it names. Elsewhere it is the ratio of
    means where theory or Hill's estimate allows mean and variance in both runs, else the ratio of medians. A cell with
    losses that are not finite is yielded as failed.
    """
    before, after = (MetricRoles(losses.manifest.metric_cards) for losses in (base, head))
    signal, better_high = _signal(before, metric), after.is_better_high(metric)
    pairs = [
        (paired, base.read(paired.base, [metric, *signal]), head.read(paired.head, [metric])) for paired in point.sets
    ]
    floor = _floor([held for _, held, _ in pairs], point, metric, signal)
    for model in point.models:
        cell = point.cell(model)
        kept: list[tuple[PairedSet, Array32, Array32]] = []
        for paired, ours, theirs in pairs:
            if model not in paired.models:
                continue
            one = _at(paired.base, ours[model][metric], point.sizes)
            other = _at(paired.head, theirs[model][metric], point.sizes)
            broken = _not_finite(cell, paired, one, other)
            if broken is None:
                kept.append((paired, one, other))
            else:
                yield broken
        if kept:
            found = _cell_change(cell, point, metric, kept, floor, (kinds or {}).get(cell), kinds is not None)
            yield replace(found, better_high=better_high)


def _signal(roles: MetricRoles, metric: str) -> tuple[str, ...]:
    """Return the column of the prompts that says how large a loss is: what predicting zero loses, in the same unit."""
    if roles.signal is None or not roles.is_on_the_scale_of(roles.signal, metric):
        return ()
    return (roles.signal,)


def _at(loss_set: LossSet, losses: Array32, sizes: Sequence[int]) -> Array32:
    """Return the columns of (prompt, size) losses at `sizes`, not copied where they are all."""
    if loss_set.context_sizes == tuple(sizes):
        return losses
    return losses[:, [loss_set.context_sizes.index(size) for size in sizes]]


def _not_finite(cell: ComparedCell, paired: PairedSet, one: Array32, other: Array32) -> Uncompared | None:
    """Return the cell as failed when a loss is NaN or infinite, which a sound table never holds."""
    sound = [bool(np.isfinite(losses).all()) for losses in (one, other)]
    if all(sound):
        return None
    base, head = ("ok" if is_sound else "nan" for is_sound in sound)
    return Uncompared(cell, paired.head.seed, BROKEN, base, head, "the table holds losses that are not finite")


def _floor(read: Sequence[ModelLosses], point: PairedPoint, metric: str, signal: Sequence[str]) -> float:
    """Return what is added to the risks of a point: a millionth of the signal.

    The signal is the risk of predicting zero where it is stored, in `signal`. Else it is the median over the models of
    their risk, which neither an exact model nor one that diverges moves.
    """
    headline = [paired.base.context_sizes.index(point.headline_size) for paired in point.sets]
    signals = [
        float(held[PROMPTS][name][:, column].mean(dtype=np.float64))
        for held, column in zip(read, headline, strict=True)
        for name in signal
        if name in held.get(PROMPTS, {})
    ]
    if not signals:
        signals = [
            float(losses[metric][:, column].mean(dtype=np.float64))
            for held, column in zip(read, headline, strict=True)
            for model, losses in held.items()
            if model != PROMPTS and metric in losses
        ]
    finite = [signal for signal in signals if np.isfinite(signal)]
    return max(RELATIVE_FLOOR * float(np.median(finite)) if finite else 0.0, SMALLEST_FLOOR)


def _cell_change(
    cell: ComparedCell,
    point: PairedPoint,
    metric: str,
    kept: Sequence[tuple[PairedSet, Array32, Array32]],
    floor: float,
    kind: Kind | None,
    is_nightly: bool,
) -> CellChange:
    size = kept[0][0].base.cluster_size
    before = _pooled([one for _, one, _ in kept], size)
    after = _pooled([other for _, _, other in kept], size)
    equal = all(np.array_equal(one, other) for _, one, other in kept)
    cluster_size = cluster_rows([len(one) for _, one, _ in kept], size)
    if kind is not None:
        by_mean = np.full(len(point.sizes), kind == "mean")
    else:  # a first night settles the statistic of all later ones, so even equal losses are looked at
        by_mean = _mean_and_variance(
            kept[0][0], cell.model, metric, point.sizes, before, after, is_nightly or not equal
        )
    if equal:
        clusters = 1 if cluster_size is None else -(-len(before) // cluster_size)
        nothing = np.zeros(len(point.sizes))
        change = Contrast(nothing, nothing, float(max(clusters - 1, 1)))
        base_risk = head_risk = np.full(len(point.sizes), np.nan)
    else:
        change = _change(before, after, by_mean, floor, cluster_size)
        base_risk, head_risk = (_risks(losses, by_mean) for losses in (before, after))
    seeds = tuple(paired.head.seed for paired, _, _ in kept)
    headline = point.sizes.index(point.headline_size)
    return CellChange(cell, seeds, len(before), point.sizes, headline, equal, by_mean, base_risk, head_risk, change)


def _pooled(losses: Sequence[Array32], cluster_size: int | None) -> Array32:
    """Return the prompts of all seeds below each other, (prompt, size)."""
    parts = [part[: whole_clusters(len(part), cluster_size, len(losses))] for part in losses]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _mean_and_variance(
    paired: PairedSet, model: str, metric: str, sizes: Sequence[int], before: Array32, after: Array32, estimate: bool
) -> Flags:
    """Tell for each size whether the losses of both runs have a mean and a variance.

    Where theory gives no tail index it is estimated if `estimate`, else taken to be large.
    """
    exist = np.ones(len(sizes), dtype=bool)
    for loss_set, losses in ((paired.base, before), (paired.head, after)):
        stored = dict(zip(loss_set.context_sizes, loss_set.cells[model].tails[metric], strict=True))
        unknown = None if estimate else np.inf
        found = tails([unknown if stored[size] is None else stored[size] for size in sizes], losses)
        exist &= found.has_mean & found.has_variance
    return exist


def _change(before: Array32, after: Array32, by_mean: Flags, floor: float, cluster_size: int | None) -> Contrast:
    """Return the log ratios of means at some sizes and of medians at the others."""
    value, stderr, degrees = np.empty(len(by_mean)), np.empty(len(by_mean)), 0.0
    choices: tuple[tuple[Kind, Flags], ...] = (("mean", by_mean), ("median", ~by_mean))
    for kind, chosen in choices:
        if chosen.any():
            columns = slice(None) if chosen.all() else chosen
            part = relative_change(before[:, columns], after[:, columns], kind, floor, cluster_size)
            value[chosen], stderr[chosen], degrees = part.value, part.stderr, part.degrees
    return Contrast(value, stderr, degrees)


def _risks(losses: Array32, by_mean: Flags) -> Array:
    """Return the mean or median of each column of (prompt, size) losses."""
    found: Array = losses.mean(axis=0, dtype=np.float64)
    if not by_mean.all():
        found[~by_mean] = np.median(losses[:, ~by_mean], axis=0)
    return found
