"""The query turned towards the orthogonal complement of its context (dial t in [0, 1], identity 0)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from icl_bench.laws.dials import FRACTION, Dial
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.query.orthogonal import Orthogonal


@dataclass(frozen=True)
class QueryOrthogonal(Dial):
    """The query turned by t of the way towards the orthogonal complement of its context, its norm kept.

    t = 1 is the orthogonal evaluation of Garg et al. (2208.01066). Dial: t in [0, 1], identity 0. No such query exists
    once the context spans the space: full_rank "skip" leaves out sizes k >= d, "zero" asks the zero query there, as the
    public code does. Its headline is d/2 examples, half of the space seen.
    """

    full_rank: Literal["skip", "zero"] = "skip"

    stage = "query"
    severities = (0.0, 0.5, 1.0)
    unshifted = 0.0
    takes = FRACTION
    expected = "a share t of the turn in [0, 1]"

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with the query turned; ValueError when every context size is d or more."""
        zero = self.full_rank == "zero"
        law = law.add("query", Orthogonal(severity, zero))
        if zero:
            return law
        return law.skipping(
            lambda size: size >= law.n_dims, f"an orthogonal query needs fewer than d = {law.n_dims} examples"
        )

    def headline_size(self, law: PromptLaw) -> int:
        """Half of the dimensions."""
        return law.n_dims // 2


SCENARIO = QueryOrthogonal
