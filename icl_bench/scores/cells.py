"""From stored losses to score rows: means, intervals, quantiles, and what may be said of each. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from icl_bench.arrays import Array, Array32, Flags
from icl_bench.places import Place
from icl_bench.statistics.contrasts import ratio_interval
from icl_bench.statistics.effective_number import FEWEST_EFFECTIVE, effective_number
from icl_bench.statistics.groups import worst_group
from icl_bench.statistics.intervals import Estimate, mean_interval
from icl_bench.statistics.looked_up import by_prompt
from icl_bench.statistics.quantiles import Quantiles, ordered_quantiles, quantile_interval
from icl_bench.statistics.tails import Tails, tails
from icl_bench.tables.metric_cards import MetricCard, group_column
from icl_bench.tables.schema import LOOKED_UP_COLUMN, PROMPTS, WORST_FIRST, scores_schema
from icl_bench.tables.units import ModelOutcome, Stored, UnitHeader, read_unit_losses


@dataclass(frozen=True, slots=True)
class MetricColumns:
    """What a metric summarises and how: `card.of`, over the mean of `card.over` for a ratio."""

    name: str
    card: MetricCard


@dataclass(frozen=True, slots=True)
class ScoringJob:
    """One scenario, severity and seed to be scored: `cells` maps each model to all of its blocks, in order."""

    number: int  # among the run's prompt sets
    suite: str
    suite_version: int
    metrics: tuple[MetricColumns, ...]
    cells: Mapping[str, Sequence[Stored]]


@dataclass(frozen=True, slots=True)
class ScoredSet:
    """The score rows of one prompt set, and what its looked-up answers are told from."""

    rows: list[dict[str, Any]]
    unsaid: Mapping[tuple[Place, int, str], Array]  # place, seed, model -> U (prompt,)


def score_prompt_set(job: ScoringJob) -> ScoredSet:
    """Return the score rows of one prompt set; no cell is judged looked up yet."""
    unsaid: dict[tuple[Place, int, str], Array] = {}
    return ScoredSet(list(_rows(job, unsaid)), unsaid)


def _rows(job: ScoringJob, unsaid: dict[tuple[Place, int, str], Array]) -> Iterator[dict[str, Any]]:
    """Yield the score rows of all models; put the U of each that answered into `unsaid`."""
    cells = job.cells
    shared = _gather(cells[PROMPTS]) if PROMPTS in cells and not _failed(cells[PROMPTS]) else {}
    for model, blocks in cells.items():
        wanted = [metric for metric in job.metrics if metric.card.needs_model == (model != PROMPTS)]
        base = _base_row(job, model, blocks)
        if model == PROMPTS:
            for size, reason in blocks[0].header.skipped:
                yield {**base, "context_size": size, "status": "skipped", "message": reason}
        failed = _failed(blocks)
        if failed is not None:
            yield {**base, "status": failed.status, "message": failed.message}
            continue
        losses = shared if model == PROMPTS else shared | _gather(blocks)
        if model != PROMPTS and LOOKED_UP_COLUMN in losses:
            header = blocks[0].header
            unsaid[header.place, header.seed, model] = by_prompt(losses[LOOKED_UP_COLUMN])
        ordered = {name: _ordered(losses[name]) for name in {metric.card.of for metric in wanted} & losses.keys()}
        for metric in wanted:
            yield from _metric_rows(base, metric, blocks, losses, ordered)


def _failed(blocks: Sequence[Stored]) -> ModelOutcome | None:
    """Return the worst outcome among the blocks of a cell, None when all are well."""
    outcomes = [stored.outcome for stored in blocks if stored.outcome.status != "ok"]
    return min(outcomes, key=lambda outcome: WORST_FIRST.index(outcome.status)) if outcomes else None


def _gather(blocks: Sequence[Stored]) -> dict[str, Array]:
    """Return column -> (prompt, size) over all blocks, in order; a column that one block lacks is left out."""
    parts = [read_unit_losses(stored.path, stored.header, stored.outcome.model) for stored in blocks]
    whole = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: np.concatenate([part[name] for part in parts]).astype(np.float64) for name in whole}


def _ordered(values: Array) -> Array32:
    """Return each column of (prompt, size) sorted; losses are stored in float32, so nothing is lost in it."""
    ordered: Array32 = np.sort(np.ascontiguousarray(values.T, dtype=np.float32), axis=1).T
    return ordered


def _base_row(job: ScoringJob, model: str, blocks: Sequence[Stored]) -> dict[str, Any]:
    header = blocks[0].header
    seconds = [stored.outcome.seconds for stored in blocks]
    known = [value for value in seconds if value is not None]
    row: dict[str, Any] = dict.fromkeys(scores_schema().names)
    row.update(
        suite=job.suite,
        suite_version=job.suite_version,
        model=model,
        scenario=header.place.scenario,
        severity=header.place.severity,
        severity_label=header.place.label,
        severities=list(header.place.severities),
        identity=header.place.identity,
        seed=header.seed,
        n_prompts=sum(stored.header.n_prompts for stored in blocks),
        status="ok",
        message="",
        seconds=sum(known) if len(known) == len(seconds) else None,
    )
    return row


def _metric_rows(
    base: Mapping[str, Any],
    metric: MetricColumns,
    blocks: Sequence[Stored],
    losses: Mapping[str, Array],
    ordered: Mapping[str, Array32],
) -> Iterator[dict[str, Any]]:
    header, outcome = blocks[0].header, blocks[0].outcome
    card, base = metric.card, {**base, "metric": metric.name, "statistic": metric.card.statistic}
    missing = [name for name in (card.of, card.over) if name is not None and name not in losses]
    if missing:
        reasons = (stored.outcome.absent[missing[0]] for stored in blocks if missing[0] in stored.outcome.absent)
        reason = next(reasons, f"the column {missing[0]} is missing")
        yield {**base, "status": "skipped", "message": reason}
        return
    values = losses[card.of]
    declared = outcome.tails.get(card.of)
    known = tails(declared, np.abs(values) if card.can_be_negative else values)
    trust = _trust(declared, known, values, header.cluster_size)
    if card.over is None:
        estimate = mean_interval(values, header.cluster_size)
        scale = np.ones(values.shape[1])
    else:
        denominator = losses[card.over]
        estimate = ratio_interval(values, denominator, header.cluster_size)
        scale = denominator.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = ordered_quantiles(ordered[card.of], scale)
    own = _own_statistic(metric, header, estimate, trust, losses, ordered)
    yield from _size_rows(base, header, estimate, spread, trust, own)


@dataclass(frozen=True, slots=True)
class IntervalTrust:
    """What may be said of the mean of each column's losses and of its t interval."""

    tails: Tails
    effective: Array  # (size,) Kish's number of prompts, or of clusters
    fewest: float  # effective ones that an interval needs: 30, and of few clusters half
    is_declared: Flags  # (size,) whether theory gave the tail index
    is_one_draw: bool  # whether all prompts share a random part

    @property
    def has_interval(self) -> Flags:
        """Whether a variance exists and the mean rests on enough prompts (THEORY, section 4)."""
        return self.tails.has_variance & (self.effective >= self.fewest)


def _trust(
    declared: Sequence[float | None] | None, known: Tails, values: Array, cluster_size: int | None
) -> IntervalTrust:
    stated = np.array([tail is not None and not math.isnan(tail) for tail in declared or ()], dtype=bool)
    is_declared = stated if declared else np.zeros(values.shape[1], dtype=bool)
    is_one_draw = cluster_size is None or cluster_size >= len(values)
    clusters = 1 if cluster_size is None else -(-len(values) // cluster_size)
    fewest = FEWEST_EFFECTIVE if cluster_size == 1 else min(FEWEST_EFFECTIVE, clusters / 2.0)
    return IntervalTrust(known, effective_number(values, cluster_size), fewest, is_declared, is_one_draw)


def _own_statistic(
    metric: MetricColumns,
    header: UnitHeader,
    estimate: Estimate,
    trust: IntervalTrust,
    losses: Mapping[str, Array],
    ordered: Mapping[str, Array32],
) -> Estimate:
    """Return what the metric is summarised by, (size,), NaN where it or its interval does not exist."""
    card, independent = metric.card, header.cluster_size == 1
    if card.statistic == "quantile":
        assert card.level is not None
        found = quantile_interval(ordered[card.of], card.level)
        has_value = np.full_like(trust.tails.has_mean, True)
        has_interval = np.full_like(has_value, independent)
    else:
        found, has_value, has_interval = estimate, trust.tails.has_mean, trust.has_interval
        if card.statistic == "worst group":
            groups = losses[group_column(metric.name)][:, 0].astype(np.int64)
            found = worst_group(losses[card.of], groups, card.direction == "lower")
            has_interval = has_interval & independent
    low, high = (np.where(has_interval, end, np.nan) for end in (found.low, found.high))
    return Estimate(np.where(has_value, found.value, np.nan), found.stderr, low, high)


def _size_rows(
    base: Mapping[str, Any],
    header: UnitHeader,
    estimate: Estimate,
    spread: Quantiles,
    trust: IntervalTrust,
    own: Estimate,
) -> Iterator[dict[str, Any]]:
    """Yield one row per context size, printing only the statistics that exist (THEORY, section 4)."""
    known, printed = trust.tails, trust.has_interval
    columns: dict[str, Sequence[object]] = {
        "context_size": header.context_sizes,
        "headline": [size == header.headline_size for size in header.context_sizes],
        "mean_exists": known.has_mean.tolist(),
        "tail_index": known.index.tolist(),
        "mean": _numbers(estimate.value, known.has_mean),
        "stderr": _numbers(estimate.stderr, printed),
        "ci_low": _numbers(estimate.low, printed),
        "ci_high": _numbers(estimate.high, printed),
        "value": _numbers(own.value),
        "value_low": _numbers(own.low),
        "value_high": _numbers(own.high),
    }
    for name in ("q10", "median", "q90", "median_low", "median_high"):
        columns[name] = _numbers(getattr(spread, name))
    for column, numbers in enumerate(zip(*columns.values(), strict=True)):
        row = {**base, **dict(zip(columns, numbers, strict=True))}
        row["message"] = _remark(row, trust, column)
        yield row


def _numbers(values: Array, printed: Flags | bool = True) -> list[float | None]:
    """Return plain numbers, None where one is not finite or not to be printed."""
    kept = np.isfinite(values) & printed
    return [number if keep else None for number, keep in zip(values.tolist(), kept.tolist(), strict=True)]


NOMINAL = "interval nominal: tail index estimated"
"""Said of an interval of a mean whose losses no theory gives a tail index for: it may cover less than it says."""


def _remark(row: Mapping[str, Any], trust: IntervalTrust, column: int) -> str:
    """Return why a statistic of a row is null, or that its interval is nominal; empty where neither is the case."""
    reasons = [_why_no_mean(row, trust, column)]
    if row["value"] is not None and row["value_low"] is None and row["statistic"] in ("quantile", "worst group"):
        reasons.append(f"no interval of the {row['statistic']}: its prompts share random draws, or are too few for one")
    if row["stderr"] is not None and not trust.is_declared[column]:
        reasons.append(NOMINAL)
    return "; ".join(filter(None, reasons))


def _why_no_mean(row: Mapping[str, Any], trust: IntervalTrust, column: int) -> str:
    if not row["mean_exists"]:
        return "the mean does not exist (tail index <= 1): see the median"
    if row["mean"] is None:
        return "the denominator's mean is 0"
    if not trust.tails.has_variance[column]:
        return "no interval of the mean: its variance does not exist (tail index <= 2)"
    if row["stderr"] is None and trust.is_one_draw:
        return "no interval: all prompts share one random draw"
    if row["stderr"] is None:
        return (
            f"no interval of the mean: it rests on {trust.effective[column]:.1f} prompts or clusters, fewer than"
            f" {trust.fewest:g} (effective number)"
        )
    return ""
