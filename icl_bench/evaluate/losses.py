"""Answers turned into losses: one number per prompt and context size for each stored metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from icl_bench.evaluate.failures import Failure, caught
from icl_bench.protocols import Answer, Metric


@dataclass(frozen=True, slots=True)
class Losses:
    """One model's losses on one block, ready to store."""

    columns: dict[str, NDArray[np.float32]]  # column -> (prompt, size)
    absent: dict[str, str]
    tails: dict[str, tuple[float | None, ...]]


def stored_metrics(metrics: Mapping[str, Metric], needs_model: bool) -> dict[str, Metric]:
    """Return the metrics that store a column: every one but ratios."""
    return {
        name: metric
        for name, metric in metrics.items()
        if metric.of == name and metric.over is None and metric.needs_model == needs_model
    }


def losses_of(answer: Answer, metrics: Mapping[str, Metric], rows: int) -> Losses:
    """Average each metric's losses over a prompt's queries of one context size.

    Raises Failure("nan") when a loss is not finite in float32, as when a learner diverges.
    """
    sizes, position = answer.prompts.distinct_sizes()
    found = Losses({}, {}, {})
    for name, metric in metrics.items():
        try:
            with caught(what=f"metric {name}: "):
                losses = metric.losses(answer)
                known = not answer.parameters.no_tail  # else no index follows, whatever a metric knows by itself
                tails = tuple(metric.tail_index(answer, size) if known else None for size in sizes)
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
        found.columns[name], found.tails[name] = columns, tails
    return found


def _by_size(losses: Tensor, position: Tensor, n_sizes: int) -> Tensor:
    """(prompt, query) -> (prompt, size): the mean over the queries of each size."""
    total = losses.new_zeros(losses.shape[0], n_sizes).index_add_(1, position, losses)
    return total / torch.bincount(position, minlength=n_sizes)
