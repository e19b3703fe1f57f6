"""Which loss two runs are compared by."""

from __future__ import annotations

from icl_bench.errors import NotComparableError, UsageError, nearest
from icl_bench.tables.loss_sets import Losses
from icl_bench.tables.schema import PROMPTS

_FIRST = ("squared_error", "label_error", "absolute_error")
"""What is compared unless asked otherwise: the first of these that both runs have."""


def common_metric(base: Losses, head: Losses, wanted: str | None) -> str:
    """Return the loss column to compare: the one that is wanted, else squared_error where both runs have it.

    Raises UsageError when neither run has the wanted one, NotComparableError when the runs share none.
    """
    one, other = loss_columns(base), loss_columns(head)
    one, other = one or other, other or one  # a run in which every cell failed has none, and is told as incomplete
    both = [name for name in one if name in other]
    if not one:
        return wanted or _FIRST[0]  # every cell of both runs failed: nothing will be compared
    if wanted is not None:
        if wanted in both:
            return wanted
        if wanted in one or wanted in other:
            lacking = "HEAD" if wanted in one else "BASE"
            raise NotComparableError(
                f"{lacking} has no losses {wanted!r}; both have: {', '.join(both) or 'none'}."
                " A baseline keeps one loss: choose it by --update --metric"
            )
        raise UsageError(f"--metric {wanted}: no such losses{nearest(wanted, both)}; both runs have: {', '.join(both)}")
    if not both:
        raise NotComparableError(
            f"the runs share no loss: BASE has {', '.join(one) or 'none'}; HEAD has {', '.join(other) or 'none'}"
        )
    return next((name for name in _FIRST if name in both), both[0])


def loss_columns(losses: Losses) -> list[str]:
    """Return the loss columns that at least one model has, in the order in which they are stored."""
    cells = (cell for place in losses.sets for model, cell in place.cells.items() if model != PROMPTS)
    return list(dict.fromkeys(name for cell in cells if cell.status == "ok" for name in cell.tails))
