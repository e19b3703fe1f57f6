"""Queries turned away from their context."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.laws.draws import Draws
from icl_bench.laws.parts import QueryPart

PARALLEL = 1e-7
"""Below this angle to the complement a query stays as it is."""

WITHIN = 1e-10
"""A query of which less than this share lies outside the span of its context has no direction to turn to."""


@dataclass(frozen=True, slots=True)
class Orthogonal(QueryPart):
    """Queries turned by a share `turn` of the way towards the orthogonal complement of their context, norm kept.

    The turn is along the great circle; at 1 the query is orthogonal to every example (Garg et al. 2208.01066). With
    `zero_when_full` a query whose context spans the space (k >= d), or all of a subspace that the query lies in, is 0,
    as in the public code; without it the law must skip those sizes, and a query within its context's span stays.
    """

    turn: float
    zero_when_full: bool = False

    light = True

    def move(self, query: Tensor, context: Tensor, draws: Draws) -> Tensor:
        """Return the turned queries."""
        n_examples, n_dims = context.shape[1:]
        if n_examples == 0:
            return query
        if n_examples >= n_dims:
            return torch.zeros_like(query) if self.zero_when_full else query
        basis = torch.linalg.qr(context.mT)[0]  # (prompt, dim, k)
        outside = query
        for _ in range(2):  # once more removes what rounding left of the span
            outside = outside - (outside @ basis) @ basis.mT
        norm, apart = query.norm(dim=-1, keepdim=True), outside.norm(dim=-1, keepdim=True)
        within = apart <= WITHIN * norm
        apart = torch.where(within, 1.0, apart)
        start, end = query / norm, outside / apart
        angle = torch.arccos((start * end).sum(-1, keepdim=True).clamp(-1.0, 1.0))
        near = angle < PARALLEL
        weights = torch.sin((1.0 - self.turn) * angle), torch.sin(self.turn * angle)
        turned = norm * (weights[0] * start + weights[1] * end) / torch.where(near, 1.0, torch.sin(angle))
        left = torch.zeros_like(query) if self.zero_when_full else query
        return torch.where(within, left, torch.where(near, query, turned))
