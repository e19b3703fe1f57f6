"""Changes as short text: percent, intervals, p-values, lists of context sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from icl_bench.formatting import short

LARGEST_PERCENT = 10.0
"""From this share on a change is written as a factor."""
SMALLEST_SHOWN = 5e-5


def percent(log_ratio: float) -> str:
    """Return a log ratio as `+5.1%`, `-0.03%`, `0%`, `x24.0` where it is a multiple, `?` where it is not known."""
    if math.isnan(log_ratio):
        return "?"
    share = math.expm1(log_ratio) if log_ratio < 700.0 else math.inf
    if share >= LARGEST_PERCENT:
        return f"x{short(share + 1.0)}"
    if abs(share) < SMALLEST_SHOWN:
        return "0%" if log_ratio == 0.0 else "~0%"
    return f"{'+' if share > 0.0 else '-'}{magnitude(abs(share))}"


def magnitude(share: float) -> str:
    """Return a share without its sign: `5.1%`, `0.03%`, `x24.0`."""
    if share >= LARGEST_PERCENT:
        return f"x{short(share + 1.0)}" if math.isfinite(share) else "any factor"
    decimals = 2 if share < 0.01 else 1 if share < 0.1 else 0
    return f"{100.0 * share:.{decimals}f}%"


def level(share: float) -> str:
    """Return a share that a user chose, as it was chosen: `1%`, `0.25%`."""
    return f"{100.0 * share:g}%"


def interval(low: float, high: float) -> str:
    """Return `+4.0% to +6.2%`; `no interval` where all prompts share one draw."""
    return "no interval" if math.isnan(low) or math.isnan(high) else f"{percent(low)} to {percent(high)}"


def probability(p_value: float) -> str:
    """Return a p-value with what matters of it: `<0.001`, `0.043`, `1`."""
    if p_value < 0.001:
        return "<0.001"
    return "1" if p_value >= 0.9995 else f"{p_value:.3f}"


def size_list(sizes: Sequence[int], judged: Sequence[int]) -> str:
    """Return context sizes with runs of neighbours among the `judged` ones joined: `8, 12-16`; `all` of several."""
    if len(sizes) == len(judged) and len(sizes) > 1:
        return f"all {len(sizes)}"
    chosen, parts, first = set(sizes), [], None
    for size, following in zip(judged, [*judged[1:], None], strict=True):
        if size not in chosen:
            continue
        first = size if first is None else first
        if following not in chosen:
            parts.append(f"{first}-{size}" if first != size else f"{size}")
            first = None
    return ", ".join(parts)


def where(sizes: Sequence[int], judged: Sequence[int]) -> str:
    """Return `at all 13 context sizes` or `at context size 2-6, 12`."""
    text = size_list(sizes, judged)
    return f"at {text} context sizes" if text.startswith("all") else f"at context size {text}"


def counted(number: int, noun: str) -> str:
    """Return `1 cell`, `1,024 cells`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
