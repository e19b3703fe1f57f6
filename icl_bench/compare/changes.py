"""How the risk of each cell changed: paired on the same prompts, a scenario and severity at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from icl_bench.arrays import Array, Array32, Flags
from icl_bench.compare.cells import BROKEN, ComparedCell, Uncompared
from icl_bench.compare.limits import Limits
from icl_bench.compare.pairing import PairedPoint, PairedSet
from icl_bench.compare.pooling import cluster_rows, whole_clusters
from icl_bench.statistics.contrasts import Contrast, adverse_change
from icl_bench.statistics.effective_number import FEWEST_EFFECTIVE, effective_number
from icl_bench.tables.loss_sets import LossSet, StoredLosses
from icl_bench.tables.metric_roles import MetricRoles

Kind = Literal["mean", "cut mean"]
MEAN: Kind = "mean"
CUT_MEAN: Kind = "cut mean"
"""What is compared where a mean rests on a few prompts: each loss counts up to a limit that one cell shares."""


@dataclass(frozen=True, slots=True)
class CellChange:
    """The change of one cell from BASE to HEAD at every context size that is judged."""

    cell: ComparedCell
    seeds: tuple[int, ...]
    n_prompts: int  # of all seeds together
    sizes: tuple[int, ...]
    headline: int  # position of the headline context size
    equal: bool  # whether every loss is the same, bit by bit
    by_mean: Flags  # (size,) ratio of means; else of means of losses that are cut off
    base_risk: Array  # (size,) what is compared, in BASE; NaN where the losses are equal and nothing was computed
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
        return MEAN if self.by_mean[self.headline] else CUT_MEAN


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
    means where these bear it in both runs, else the ratio of means of losses that are cut off. A cell with losses that
    are not finite is yielded as failed.
    """
    before, after = (MetricRoles(losses.manifest.metric_cards) for losses in (base, head))
    signal, better_high = _signal(before, metric), after.is_better_high(metric)
    pairs = [
        (paired, base.read(paired.base, [metric, *signal]), head.read(paired.head, [metric])) for paired in point.sets
    ]
    limits = Limits.of([held for _, held, _ in pairs], point, metric, signal)
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
            found = _cell_change(cell, point, metric, kept, limits, (kinds or {}).get(cell), kinds is not None)
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


def _cell_change(
    cell: ComparedCell,
    point: PairedPoint,
    metric: str,
    kept: Sequence[tuple[PairedSet, Array32, Array32]],
    limits: Limits,
    kind: Kind | None,
    is_nightly: bool,
) -> CellChange:
    size = kept[0][0].base.cluster_size
    before = _pooled([one for _, one, _ in kept], size)
    after = _pooled([other for _, _, other in kept], size)
    equal = all(np.array_equal(one, other) for _, one, other in kept)
    cluster_size = cluster_rows([len(one) for _, one, _ in kept], size)
    if kind is not None:
        by_mean = np.full(len(point.sizes), kind == MEAN)
    else:  # a first night settles what is compared on all later ones, so even equal losses are looked at
        whole = is_nightly or not equal
        by_mean = _bears_a_mean(kept[0][0], cell.model, metric, point.sizes, before, after, cluster_size, whole)
    if equal:
        clusters = 1 if cluster_size is None else -(-len(before) // cluster_size)
        nothing = np.zeros(len(point.sizes))
        change = Contrast(nothing, nothing, float(max(clusters - 1, 1)))
        base_risk = head_risk = np.full(len(point.sizes), np.nan)
    else:
        cut = np.where(by_mean, np.inf, limits.cut(before))
        compared = [np.minimum(losses, cut) for losses in (before, after)]
        change = adverse_change(compared[0], compared[1], limits.floor, cluster_size)
        base_risk, head_risk = (losses.mean(axis=0, dtype=np.float64) for losses in compared)
    seeds = tuple(paired.head.seed for paired, _, _ in kept)
    headline = point.sizes.index(point.headline_size)
    return CellChange(cell, seeds, len(before), point.sizes, headline, equal, by_mean, base_risk, head_risk, change)


def _pooled(losses: Sequence[Array32], cluster_size: int | None) -> Array32:
    """Return the prompts of all seeds below each other, (prompt, size)."""
    parts = [part[: whole_clusters(len(part), cluster_size, len(losses))] for part in losses]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _bears_a_mean(
    paired: PairedSet,
    model: str,
    metric: str,
    sizes: Sequence[int],
    before: Array32,
    after: Array32,
    cluster_size: int | None,
    count: bool,
) -> Flags:
    """Tell for each size whether the means of both runs bear a comparison.

    They do where no declared tail index is 1 or less and, if `count`, both rest on enough prompts.
    """
    sound = np.ones(len(sizes), dtype=bool)
    for loss_set, losses in ((paired.base, before), (paired.head, after)):
        stored = dict(zip(loss_set.context_sizes, loss_set.cells[model].tails[metric], strict=True))
        declared = [stored[size] for size in sizes]
        sound &= np.array([index is None or not index <= 1.0 for index in declared], dtype=bool)
        if count:
            sound &= effective_number(losses, cluster_size) >= FEWEST_EFFECTIVE
    return sound
