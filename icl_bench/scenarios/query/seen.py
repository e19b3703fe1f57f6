"""The query equals a random example of its context (dial: 0 off, 1 on; identity 0)."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.dials import Dial
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.query.seen import Seen


@dataclass(frozen=True)
class QuerySeen(Dial):
    """The query repeats a uniformly chosen example of its context (Garg et al. 2208.01066, overlapping train and test).

    Dial: 1 repeats, 0 is the identity. Without examples there is nothing to repeat: size 0 is skipped.
    """

    stage = "query"
    severities = (0.0, 1.0)
    unshifted = 0.0
    takes = (0.0, 1.0)
    expected = "0 (off) or 1 (on)"

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law whose queries were seen; ValueError when 0 is the only context size."""
        return law.add("query", Seen()).skipping(lambda size: size == 0, "without examples there is none to repeat")


SCENARIO = QuerySeen
