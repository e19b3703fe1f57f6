"""Queries in the orthant opposite to their context's."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from icl_bench.laws.covariates.orthant import in_orthant
from icl_bench.laws.draws import Draws
from icl_bench.laws.parts import QueryPart


@dataclass(frozen=True, slots=True)
class OppositeOrthant(QueryPart):
    """Queries in the orthant opposite to the context's, along the first round(fraction d) coordinates.

    Added by the factor that places the context, whose draws it shares: the same signs.
    """

    fraction: float

    sees_context = False
    light = True

    def move(self, query: Tensor, context: Tensor, draws: Draws) -> Tensor:
        """Return the queries with the opposite signs."""
        return in_orthant(query, draws, self.fraction, -1.0)
