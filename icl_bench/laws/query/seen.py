"""Queries that repeat an example."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.laws.draws import Draws
from icl_bench.laws.parts import QueryPart


@dataclass(frozen=True, slots=True)
class Seen(QueryPart):
    """A query is one of its context's examples, chosen uniformly (overlapping, Garg et al. 2208.01066)."""

    light = True

    def move(self, query: Tensor, context: Tensor, draws: Draws) -> Tensor:
        """Return the chosen examples; the query itself without any."""
        if context.shape[1] == 0:
            return query
        chosen = (draws.per_example("which", (), "uniform") * context.shape[1]).long()  # (prompt, repeat)
        return torch.gather(context, 1, chosen[..., None].expand(-1, -1, query.shape[-1]))
