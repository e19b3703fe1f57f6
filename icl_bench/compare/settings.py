"""What a comparison is asked: metric, margin, error rate, context sizes; and how a user writes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from icl_bench.errors import UsageError
from icl_bench.names import nearest

MARGIN, ALPHA = 0.01, 0.05
LARGEST_MARGIN = 10.0
LARGEST_ALPHA = 0.5
ALL, HEADLINE = "all", "headline"
SIZES = (ALL, HEADLINE)


@dataclass(frozen=True, slots=True)
class Settings:
    """What is asked of two runs."""

    metric: str | None = None  # loss column; None: chosen from what both runs have
    margin: float = MARGIN  # a rise of the risk up to this share is no regression
    alpha: float = ALPHA  # probability of at least one false regression
    sizes: str = ALL  # context sizes that are judged: all | headline
    allow_missing: bool = False  # whether missing and failed cells are listed only


def margin_from(text: str) -> float:
    """Return a margin as a share of the risk: `5%` and `0.05` are 0.05.

    Raises UsageError for what is no number, negative, 1000% or more, or 1 and more without a percent sign (`5` would
    mean 500%, and whoever writes it means 5%).
    """
    stripped = text.strip()
    number = _number(stripped.removesuffix("%"))
    is_percent = stripped.endswith("%")
    share = number / 100.0 if is_percent else number
    if math.isnan(share) or not 0.0 <= share < LARGEST_MARGIN:
        raise UsageError(
            f"--margin {text}: expected a rise that is tolerated, from 0% to less than {LARGEST_MARGIN:.0%},"
            " such as 5% or 0.05"
        )
    if not is_percent and share >= 1.0:
        raise UsageError(f"--margin {text}: is {number:g}% meant, or {share:.0%}? write it with the percent sign")
    return share


def alpha_from(text: str) -> float:
    """Return a family-wise error rate; UsageError unless it lies above 0 and at most at 0.5."""
    stripped = text.strip()
    number = _number(stripped.removesuffix("%")) / (100.0 if stripped.endswith("%") else 1.0)
    if math.isnan(number) or not 0.0 < number <= LARGEST_ALPHA:
        raise UsageError(
            f"--alpha {text}: expected the probability of a false alarm, above 0 and at most {LARGEST_ALPHA}"
        )
    return number


def sizes_from(text: str) -> str:
    """Return `all` or `headline`; UsageError for anything else."""
    if text not in SIZES:
        raise UsageError(f"--sizes {text}: expected one of {', '.join(SIZES)}{nearest(text, SIZES)}")
    return text


def _number(text: str) -> float:
    """Return the number that a text spells, NaN when it spells none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
