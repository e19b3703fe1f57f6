"""Which loss two runs are compared by."""

from __future__ import annotations

from collections.abc import Sequence

from icl_bench.errors import NotComparableError, UsageError
from icl_bench.names import nearest
from icl_bench.tables.loss_sets import StoredLosses
from icl_bench.tables.metric_roles import MetricRoles
from icl_bench.tables.schema import PROMPTS


def common_metric(base: StoredLosses, head: StoredLosses, wanted: str | None) -> str:
    """Return the loss column to compare: the one that is wanted, else the risk, else the first that both runs have.

    Raises UsageError when neither run has the wanted one, or when it has no ratios, NotComparableError when the runs
    share none.
    """
    one, other = loss_columns(base), loss_columns(head)
    one, other = one or other, other or one  # a run in which every cell failed has none, and is told as incomplete
    both = [name for name in one if name in other]
    roles = MetricRoles({**base.manifest.metric_cards, **head.manifest.metric_cards})
    if not one:
        return wanted or roles.risk or next(iter(head.manifest.metrics), "")  # nothing will be compared
    if wanted is not None:
        return _wanted(wanted, one, other, roles)
    if not both:
        raise NotComparableError(
            f"the runs share no loss: BASE has {', '.join(one) or 'none'}; HEAD has {', '.join(other) or 'none'}"
        )
    found = next((name for name in _by_preference(both, roles) if not roles.can_be_negative(name)), None)
    if found is None:
        raise UsageError(f"nothing to compare by: {_no_ratio(both[0])}")
    return found


def _wanted(wanted: str, one: Sequence[str], other: Sequence[str], roles: MetricRoles) -> str:
    both = [name for name in one if name in other]
    if wanted in both:
        if roles.can_be_negative(wanted):
            raise UsageError(f"--metric {wanted}: {_no_ratio(wanted)}")
        return wanted
    if wanted in one or wanted in other:
        lacking = "HEAD" if wanted in one else "BASE"
        raise NotComparableError(
            f"{lacking} has no losses {wanted!r}; both have: {', '.join(both) or 'none'}."
            " A baseline keeps one loss: choose it by --update --metric"
        )
    raise UsageError(f"--metric {wanted}: no such losses{nearest(wanted, both)}; both runs have: {', '.join(both)}")


def _by_preference(names: Sequence[str], roles: MetricRoles) -> list[str]:
    """Return stored losses with the risk first, then in the order of the suite."""
    order = [label for label in (roles.risk, *roles.cards) if label is not None]
    return sorted(names, key=lambda name: order.index(name) if name in order else len(order))


def _no_ratio(name: str) -> str:
    return (
        f"{name} can be negative, so it has no ratio of HEAD to BASE, and no margin of 1% of it; compare by a loss that"
        " cannot (--metric), and see both runs' numbers with `icl-bench report BASE HEAD`"
    )


def loss_columns(losses: StoredLosses) -> list[str]:
    """Return the loss columns that at least one model has, in the order in which they are stored."""
    cells = (cell for place in losses.sets for model, cell in place.cells.items() if model != PROMPTS)
    return list(dict.fromkeys(name for cell in cells if cell.status == "ok" for name in cell.tails))
