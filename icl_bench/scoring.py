"""From stored losses to score rows: means, intervals, quantiles, and what may be said of each. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icl_bench.statistics.contrasts import ratio_interval
from icl_bench.statistics.intervals import Estimate, mean_interval
from icl_bench.statistics.looked_up import by_prompt
from icl_bench.statistics.quantiles import Quantiles, ordered_quantiles
from icl_bench.statistics.tails import Tails, tails
from icl_bench.tables.io import ModelOutcome, UnitHeader, read_unit_losses
from icl_bench.tables.schema import LOOKED_UP_COLUMN, PROMPTS, scores_schema

Array = NDArray[np.float64]
_WORST_FIRST = ("error", "timeout", "nan", "skipped")


@dataclass(frozen=True, slots=True)
class Stored:
    """One model's losses on one block, where they lie."""

    path: Path
    header: UnitHeader
    outcome: ModelOutcome


@dataclass(frozen=True, slots=True)
class MetricColumns:
    """What a metric summarises: the mean of `of`, over the mean of `over` for a ratio."""

    name: str
    of: str
    over: str | None
    needs_model: bool


@dataclass(frozen=True, slots=True)
class ScoringJob:
    """One scenario, severity and seed to be scored: `cells` maps each model to all of its blocks, in order."""

    place: int  # among the run's prompt sets
    suite: str
    suite_version: int
    metrics: tuple[MetricColumns, ...]
    cells: Mapping[str, Sequence[Stored]]


@dataclass(frozen=True, slots=True)
class ScoredSet:
    """The score rows of one prompt set, and what its looked-up answers are told from."""

    rows: list[dict[str, Any]]
    unsaid: Mapping[tuple[str, str, int, str], Array]  # scenario, severity label, seed, model -> U (prompt,)


def score_prompt_set(job: ScoringJob) -> ScoredSet:
    """Return the score rows of one prompt set; no cell is judged looked up yet."""
    unsaid: dict[tuple[str, str, int, str], Array] = {}
    return ScoredSet(list(_rows(job, unsaid)), unsaid)


def _rows(job: ScoringJob, unsaid: dict[tuple[str, str, int, str], Array]) -> Iterator[dict[str, Any]]:
    """Yield the score rows of all models; put the U of each that answered into `unsaid`."""
    cells = job.cells
    shared = _gather(cells[PROMPTS]) if PROMPTS in cells and not _failed(cells[PROMPTS]) else {}
    for model, blocks in cells.items():
        wanted = [metric for metric in job.metrics if metric.needs_model == (model != PROMPTS)]
        base = _base_row(job, model, blocks)
        failed = _failed(blocks)
        if failed is not None:
            yield {**base, "status": failed.status, "message": failed.message}
            continue
        losses = shared if model == PROMPTS else shared | _gather(blocks)
        if model != PROMPTS and LOOKED_UP_COLUMN in losses:
            header = blocks[0].header
            place = (header.scenario, header.severity_label, header.seed)
            unsaid[(*place, model)] = by_prompt(losses[LOOKED_UP_COLUMN])
        ordered = {name: _ordered(losses[name]) for name in {metric.of for metric in wanted} & losses.keys()}
        for metric in wanted:
            yield from _metric_rows(base, metric, blocks, losses, ordered)


def _failed(blocks: Sequence[Stored]) -> ModelOutcome | None:
    """Return the worst outcome among the blocks of a cell, None when all are well."""
    outcomes = [stored.outcome for stored in blocks if stored.outcome.status != "ok"]
    return min(outcomes, key=lambda outcome: _WORST_FIRST.index(outcome.status)) if outcomes else None


def _gather(blocks: Sequence[Stored]) -> dict[str, Array]:
    """Return column -> (prompt, size) over all blocks, in order."""
    parts = [read_unit_losses(stored.path, stored.header, stored.outcome.model) for stored in blocks]
    return {name: np.concatenate([part[name] for part in parts]).astype(np.float64) for name in parts[0]}


def _ordered(values: Array) -> NDArray[np.float32]:
    """Return each column of (prompt, size) sorted; losses are stored in float32, so nothing is lost in it."""
    ordered: NDArray[np.float32] = np.sort(np.ascontiguousarray(values.T, dtype=np.float32), axis=1).T
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
        scenario=header.scenario,
        severity=header.severity,
        severity_label=header.severity_label,
        identity=header.identity,
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
    ordered: Mapping[str, NDArray[np.float32]],
) -> Iterator[dict[str, Any]]:
    header, outcome = blocks[0].header, blocks[0].outcome
    missing = [name for name in (metric.of, metric.over) if name is not None and name not in losses]
    if missing:
        reason = outcome.absent.get(missing[0], f"the column {missing[0]} is missing")
        yield {**base, "metric": metric.name, "status": "skipped", "message": reason}
        return
    values = losses[metric.of]
    known = tails(outcome.tails.get(metric.of), values)
    if metric.over is None:
        estimate = mean_interval(values, header.cluster_size)
        scale = np.ones(values.shape[1])
    else:
        denominator = losses[metric.over]
        estimate = ratio_interval(values, denominator, header.cluster_size)
        scale = denominator.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = ordered_quantiles(ordered[metric.of], scale)
    yield from _size_rows(base, metric.name, header, estimate, spread, known)


def _size_rows(
    base: Mapping[str, Any],
    metric: str,
    header: UnitHeader,
    estimate: Estimate,
    spread: Quantiles,
    known: Tails,
) -> Iterator[dict[str, Any]]:
    """Yield one row per context size, printing only the statistics that exist (THEORY, section 4)."""
    columns: dict[str, Sequence[object]] = {
        "context_size": header.context_sizes,
        "headline": [size == header.headline_size for size in header.context_sizes],
        "mean_exists": known.has_mean.tolist(),
        "tail_index": known.index.tolist(),
        "mean": _numbers(estimate.value, known.has_mean),
        "stderr": _numbers(estimate.stderr, known.has_variance),
        "ci_low": _numbers(estimate.low, known.has_variance),
        "ci_high": _numbers(estimate.high, known.has_variance),
    }
    for name in ("q10", "median", "q90", "median_low", "median_high"):
        columns[name] = _numbers(getattr(spread, name))
    for has_variance, *numbers in zip(known.has_variance.tolist(), *columns.values(), strict=True):
        row = {**base, "metric": metric, **dict(zip(columns, numbers, strict=True))}
        row["message"] = _why_null(row, has_variance)
        yield row


def _numbers(values: Array, printed: NDArray[np.bool_] | bool = True) -> list[float | None]:
    """Return plain numbers, None where one is not finite or not to be printed."""
    kept = np.isfinite(values) & printed
    return [number if keep else None for number, keep in zip(values.tolist(), kept.tolist(), strict=True)]


def _why_null(row: Mapping[str, Any], has_variance: bool) -> str:
    """Return why a statistic of a row is null, empty when none is."""
    if not row["mean_exists"]:
        return "the mean does not exist (tail index <= 1): see the median"
    if row["mean"] is None:
        return "the denominator's mean is 0"
    if not has_variance:
        return "no interval of the mean: its variance does not exist (tail index <= 2)"
    if row["stderr"] is None:
        return "no interval: all prompts share one random draw"
    return ""
