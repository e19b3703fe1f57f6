"""A covariate part on queries alone."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from icl_bench.laws.draws import Draws
from icl_bench.laws.moments import Moments
from icl_bench.laws.parts import CovariatePart, QueryPart


@dataclass(frozen=True, slots=True)
class RowWise(QueryPart):
    """Queries moved by a covariate part that takes each row on its own; the context stays."""

    part: CovariatePart

    sees_context = False

    @property
    def gaussian(self) -> bool:
        """As of the covariate part."""
        return self.part.gaussian

    @property
    def light(self) -> bool:
        """As of the covariate part."""
        return self.part.light

    def move(self, query: Tensor, context: Tensor, draws: Draws) -> Tensor:
        """Return the queries as the covariate part moves them."""
        return self.part.move(query, draws.rows, draws)

    def moments(self, before: Moments, draws: Draws) -> Moments | None:
        """As of the covariate part."""
        return self.part.moments(before, draws)
