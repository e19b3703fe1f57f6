"""The task changes inside the prompt, at a fraction of the largest context size (no identity)."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.laws.dials import Dial, Range
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.tasks.change_point import ChangePoint


@dataclass(frozen=True)
class TaskChangePoint(Dial):
    """From position round(fraction n) on another function holds, n the largest context size. Dial: fraction in (0, 1).

    The position is stored when the law is shifted, so examples do not change with what else is asked. A query of size k
    has position k. Bayes: of the examples since the change.
    """

    stage = "task"
    severities = (0.25, 0.5, 0.75)
    takes = Range(0.0, 1.0)
    expected = "a fraction of the largest context size in (0, 1)"

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law whose task changes; ValueError where no example lies before the change."""
        position = round(severity * law.sizes.n_context)
        if position < 1:
            raise ValueError(
                f"expected a change after the first example: round({severity:g} * {law.sizes.n_context}) is 0"
            )
        return law.with_prior(ChangePoint(law.prior, position, law.factor))


SCENARIO = TaskChangePoint
