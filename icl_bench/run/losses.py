"""Answers turned into losses: one number per prompt and context size for each stored metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from icl_bench.contracts.metrics import (
    MOVED_ANSWER,
    copied,
    groups_problem,
    losses_problem,
    same_values_of,
    sign_problem,
    tail_problem,
)
from icl_bench.plugins.protocols import Answer, Metric, is_ratio
from icl_bench.run.failures import Failure, caught
from icl_bench.tables.metric_cards import group_column


@dataclass(frozen=True, slots=True)
class BlockLosses:
    """One model's losses on one block, ready to store.

    A tail index is None where it is not known, NaN where the law itself declares none: an estimate is then believed
    less.
    """

    columns: dict[str, NDArray[np.float32]]  # column -> (prompt, size)
    absent: dict[str, str]
    tails: dict[str, tuple[float | None, ...]]


def stored_metrics(metrics: Mapping[str, Metric], needs_model: bool) -> dict[str, Metric]:
    """Return the metrics that store a column: every one but ratios."""
    return {
        name: metric for name, metric in metrics.items() if not is_ratio(metric) and metric.needs_model == needs_model
    }


def stored_columns(metrics: Mapping[str, Metric]) -> tuple[str, ...]:
    """Return the columns that metrics store, those of the prompts alone first: losses, and groups where they count."""
    stored = {**stored_metrics(metrics, needs_model=False), **stored_metrics(metrics, needs_model=True)}
    grouped = [group_column(name) for name, metric in stored.items() if metric.statistic == "worst group"]
    return (*stored, *grouped)


def losses_of(answer: Answer, metrics: Mapping[str, Metric], rows: int, seconds: float | None = None) -> BlockLosses:
    """Average each metric's losses over a prompt's queries of one context size; each metric may take `seconds`.

    Raises Failure("nan") when a loss is not finite in float32, as when a learner diverges, and Failure("error") when a
    metric raises or gives something else than losses.
    """
    sizes, position = answer.prompts.distinct_sizes()
    found = BlockLosses({}, {}, {})
    for name, metric in metrics.items():
        try:
            with caught(seconds, what=f"metric {name}: "):
                given = answer if _is_ours(metric) else copied(answer)  # what foreign code does stays with it
                losses = metric.losses(given)
                tails = _tails(metric, given, sizes)
                groups = _groups(name, metric, given)
                _check(name, losses, tails, tuple(answer.targets.query_y.shape))
                if given is not answer:
                    _check_foreign(name, metric, losses, same_values_of(given, answer))
        except Failure as failure:
            if failure.status != "skipped":
                raise
            found.absent[name] = failure.message
            continue
        with np.errstate(over="ignore"):  # what overflows is told below
            columns = _by_size(losses, position, len(sizes))[:rows].numpy().astype(np.float32)
        if not np.isfinite(columns).all():
            size = sizes[int(np.argmax(~np.isfinite(columns).all(axis=0)))]
            raise Failure("nan", f"the loss {name} overflows at context size {size}: the learner diverges")
        undeclared = answer.parameters.no_tail is not None
        found.columns[name] = columns
        found.tails[name] = tuple(math.nan if tail is None and undeclared else tail for tail in tails)
        if groups is not None:
            column = groups[:rows, None].expand(-1, len(sizes))
            found.columns[group_column(name)] = column.numpy().astype(np.float32)
    return found


def _tails(metric: Metric, answer: Answer, sizes: Sequence[int]) -> tuple[float | None, ...]:
    """Return the tail index of a loss at each size, None where it is not known.

    Whatever a metric knows by itself, it knows of laws that declare their tails; of one that declares its moments
    alone, infinity is believed.
    """
    law = answer.parameters
    if law.no_tail and not law.all_moments:
        return (None,) * len(sizes)
    found = tuple(metric.tail_index(answer, size) for size in sizes)
    return tuple(None if law.no_tail and tail != math.inf else tail for tail in found)


def _is_ours(metric: Metric) -> bool:
    return type(metric).__module__.startswith("icl_bench.")


def _check_foreign(name: str, metric: Metric, losses: Tensor, untouched: bool) -> None:
    """Raise Failure where a metric of somebody else's says something untrue of itself, or writes into an answer."""
    problem = sign_problem(metric, losses) if untouched else MOVED_ANSWER
    if problem:
        raise Failure("error", f"metric {name}: {problem}")


def _check(name: str, losses: object, tails: tuple[object, ...], shape: tuple[int, ...]) -> None:
    """Raise Failure where a metric's own file gave something else than losses and tail indices."""
    problems = [losses_problem(losses, shape), *map(tail_problem, tails)]
    problem = next(filter(None, problems), "")
    if problem:
        raise Failure("error", f"metric {name}: {problem}")


def _groups(name: str, metric: Metric, answer: Answer) -> Tensor | None:
    """Return the group of each prompt, (prompt,), for a metric that is summarised by its worst one."""
    if metric.statistic != "worst group":
        return None
    groups: Tensor = metric.groups(answer)  # type: ignore[attr-defined]
    problem = groups_problem(groups, answer.prompts.n_prompts)
    if problem:
        raise Failure("error", f"metric {name}: {problem}")
    return groups


def _by_size(losses: Tensor, position: Tensor, n_sizes: int) -> Tensor:
    """(prompt, query) -> (prompt, size): the mean over the queries of each size."""
    total = losses.new_zeros(losses.shape[0], n_sizes).index_add_(1, position, losses)
    return total / torch.bincount(position, minlength=n_sizes)
