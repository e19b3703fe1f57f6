"""Numbers and messages as short text: three significant digits, half widths to match, no control characters."""

from __future__ import annotations

import math
import re
from typing import Any

SMALLEST_PLAIN, LARGEST_PLAIN = 1e-2, 1e4
"""Outside these, numbers are written with an exponent."""
ROUNDING = 1e-12
"""Below this, a risk in float64 is rounding."""

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # colours and cursor movements


def short(value: float) -> str:
    """Return a number with three significant digits: `0.373`, `12.3`, `1.52e9`, `3.01e-3`, `<1e-12`."""
    if value == 0.0 or not math.isfinite(value):
        return "0" if value == 0.0 else str(value)
    if abs(value) < ROUNDING:
        return f"<{_exponent(f'{ROUNDING:.0e}')}"
    decimals = _decimals(value)
    return _exponent(f"{value:.2e}") if decimals is None else f"{value:.{decimals}f}"


def with_half_width(value: float, half_width: float | None) -> str:
    """Return `0.373 ±0.012`; no half width when it is 0 (exact), `±?` when there is no interval."""
    text = short(value)
    if half_width is None:
        return f"{text} ±?"
    if half_width == 0.0 or abs(value) < ROUNDING:
        return text
    decimals = _decimals(value)
    if decimals is None or half_width >= LARGEST_PLAIN:
        return f"{text} ±{_exponent(f'{half_width:.0e}')}"
    rounded = f"{half_width:.{decimals}f}"
    return f"{text} ±{rounded if float(rounded) > 0.0 else _exponent(f'{half_width:.0e}')}"


def _decimals(value: float) -> int | None:
    """Return how many decimals three significant digits take, None where an exponent is shorter."""
    magnitude = abs(value)
    if not SMALLEST_PLAIN <= magnitude < LARGEST_PLAIN:
        return None
    return max(0, 2 - math.floor(math.log10(magnitude)))


def _exponent(text: str) -> str:
    """`1.52e+09` -> `1.52e9`."""
    digits, _, power = text.partition("e")
    return f"{digits}e{int(power)}"


def plain(text: str) -> str:
    """Return text without what steers a terminal: colours dropped, control characters and line ends as spaces."""
    return "".join(character if character.isprintable() else " " for character in _ESCAPES.sub("", text))


def printable(text: str) -> str:
    """Return a message on one line, without control characters: messages come from foreign code."""
    return " ".join(plain(text).split())


def shortened(text: str, width: int) -> str:
    """Return `text` in at most `width` characters, its middle left out."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def finite(value: Any) -> Any:
    """Return nested plain values with numbers that are not finite as None."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
