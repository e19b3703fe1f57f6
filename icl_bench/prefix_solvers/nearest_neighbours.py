"""Mean label of the nearest examples, for every context size at once.

Distances come from one matrix product for each prompt, which is quick and inexact. Where rounding could have changed
which examples are nearest, squared differences are added up instead: answers are those of the second way throughout.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from icl_bench.prefix_solvers.prefix_moments import sum_at_sizes
from icl_bench.prompts import PromptBatch

GROUP_BYTES = 2_000_000
"""Size of one (example, query, prompt) array: measured, between the cost of calls and that of memory."""
MOST_PASSES = 32
"""Neighbours beyond which sorting distances is quicker than one pass over them for each neighbour."""


def neighbour_mean(prompts: PromptBatch, count: int) -> Tensor:
    """Return the mean label of the `count` examples nearest to each query, (prompt, query), in float64.

    Of the first k = context_sizes[j] examples by Euclidean distance, the earlier one where two are equally far; the
    mean of all k when there are not more than `count`, 0 when there are none.
    """
    y = prompts.context_y.double()
    sizes = torch.tensor(prompts.context_sizes, device=y.device)
    means = sum_at_sizes(y, prompts.context_sizes) / sizes.clamp_min(1)
    many = (sizes > count).nonzero()[:, 0]
    if len(many):
        n_seen = int(sizes.max())
        x, queries = prompts.context_x[:, :n_seen].double(), prompts.query_x.index_select(1, many).double()
        means[:, many] = _mean_of_chosen(x, y[:, :n_seen], queries, sizes[many], count)
    return means


def _mean_of_chosen(x: Tensor, y: Tensor, queries: Tensor, sizes: Tensor, count: int) -> Tensor:
    """Return `neighbour_mean` of queries that all see more than `count` examples, (prompt, query)."""
    means = queries.new_zeros(queries.shape[:2])
    sure = torch.zeros_like(means, dtype=torch.bool)
    if count <= MOST_PASSES:
        parts = math.ceil(8 * len(x) * x.shape[1] * len(sizes) / GROUP_BYTES)
        group = max(1, math.ceil(len(x) / max(1, parts)))
        room = x.new_empty(3, group * x.shape[1] * len(sizes))  # taken once: fresh memory is slow
        for start in range(0, len(x), group):
            rows = slice(start, start + group)
            means[rows], sure[rows] = _by_products(x[rows], y[rows], queries[rows], sizes, count, room)
    if not bool(sure.all()):
        columns, asked = x.permute(2, 0, 1).contiguous(), queries.permute(2, 0, 1).contiguous()
        prompt, query = (~sure).nonzero(as_tuple=True)
        group = max(1, GROUP_BYTES // (8 * x.shape[1]))
        for start in range(0, len(prompt), group):
            p, q = prompt[start : start + group], query[start : start + group]
            means[p, q] = _by_differences(columns, asked, p, q, y[p], sizes[q], count)
    return means


def _by_products(
    x: Tensor, y: Tensor, queries: Tensor, sizes: Tensor, count: int, room: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the means, and whether each is surely the mean of the nearest examples; both (prompt, query).

    The distance less what all examples share, |x|^2 - 2 q.x, is taken about the first example, which every query here
    sees: a common offset costs no digits. Each is off by less than (dim + 4) eps (|q| + max |x|)^2.
    room: (3, at least prompt * example * query) to work in.
    """
    origin = x[:, :1]
    x, queries = x - origin, queries - origin
    square = x.square().sum(-1)  # (prompt, example)
    seen = torch.arange(x.shape[1], device=x.device)[:, None] < sizes  # (example, query)
    unseen = torch.zeros_like(seen, dtype=x.dtype).masked_fill_(~seen, float("inf"))
    room = room[:, : len(x) * seen.numel()]
    product = torch.add(square[:, :, None], unseen, out=room[0].view(len(x), *seen.shape))
    product.baddbmm_(x, queries.mT, alpha=-2.0)
    rest, distance, chosen = room.view(3, *seen.shape, len(x))  # prompt last: passes over examples are quickest so
    distance.copy_(product.permute(1, 2, 0))
    left, number = distance, torch.finfo(x.dtype)
    for _ in range(count):
        farthest = left.amin(0)
        torch.le(distance, farthest, out=chosen)  # ones and zeros
        left = torch.add(distance, chosen, alpha=number.max / 4, out=rest)
    reach = (queries.norm(dim=-1) + square.amax(-1, keepdim=True).sqrt()).square().mT  # (query, prompt)
    margin = 4 * (x.shape[2] + 8) * (number.eps * reach + number.tiny)  # twice what two distances may be off by
    sure = (left.amin(0) - farthest > margin) & (chosen.sum(0) == count)  # NaN, after an overflow, is not sure
    return _mean(chosen, y, count).mT, sure.mT


def _by_differences(
    x: Tensor, queries: Tensor, prompt: Tensor, query: Tensor, y: Tensor, sizes: Tensor, count: int
) -> Tensor:
    """Return the means of some queries by the squared differences to their examples, (asked,).

    x (dim, prompt, example) and queries (dim, prompt, query) are of all prompts; prompt, query (asked,) say which are
    asked; y (asked, example), sizes (asked,). The squares are added up dimension by dimension, whatever the shape.
    """
    distance = torch.zeros_like(y)
    for example, asked in zip(x, queries, strict=True):
        distance += (example[prompt] - asked[prompt, query][:, None]).square_()
    distance.masked_fill_(torch.arange(y.shape[1], device=y.device) >= sizes[:, None], float("inf"))
    nearest = distance.sort(dim=1, stable=True).indices[:, :count]
    chosen = torch.zeros_like(y.mT).scatter_(0, nearest.mT, 1.0)
    return _mean(chosen, y, count)


def _mean(chosen: Tensor, y: Tensor, count: int) -> Tensor:
    """Return the mean of chosen labels; `chosen` (example, ..., prompt) of ones and zeros, y (prompt, example).

    Added up example by example: the order of `sum` depends on how many prompts there are.
    """
    total = torch.zeros_like(chosen[0])
    for taken, label in zip(chosen, y.mT.contiguous(), strict=True):
        total.addcmul_(taken, label)
    return total / count
