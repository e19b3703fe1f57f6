"""Where severities stand on an axis, and which of them are written under it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from icl_bench.figures.style import LIGHT_GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONG_SPAN = 8.0
"""Severities whose sizes span more than this factor stand on a logarithmic axis, around zero a symmetric one."""

SMALLEST_SHARE = 1e-6
"""Severities below this share of the largest are as good as zero."""
ROOM = 0.05
"""What a panel has beyond the smallest and the largest severity, in units of the axis."""
TICK_INCHES = 0.24
"""Severities are written at least this far apart."""


@dataclass(frozen=True, slots=True)
class SeverityAxis:
    """Places of severities in units of the axis, from 0 at the smallest to 1 at the largest."""

    severities: tuple[float, ...]  # ascending, may end with infinity
    positions: tuple[float, ...]

    def position(self, severity: float) -> float:
        """Return where a severity stands; nan off the panel, and beside infinity, where the axis has no scale."""
        if severity in self.severities:
            return self.positions[self.severities.index(severity)]
        finite = [value for value in self.severities if math.isfinite(value)]
        if len(finite) < 2 or (finite[0] > 0.0 and severity <= 0.0):
            return math.nan
        first, last = (self.position(value) for value in (finite[0], finite[-1]))
        low, here, high = (_transform(value, finite) for value in (finite[0], severity, finite[-1]))
        place = first + (last - first) * (here - low) / (high - low)
        return place if (first or -ROOM) <= place <= (last if last < 1.0 else 1.0 + ROOM) else math.nan

    def ticks(self, spacing: float, kept: float | None) -> tuple[tuple[float, str], ...]:
        """Return positions and texts at least `spacing` apart; the severity `kept` is always one of them."""
        chosen: list[tuple[float, str]] = []
        placed = zip(self.positions, self.severities, strict=True)
        for position, severity in sorted(placed, key=lambda item: (item[1] != kept, item[0] not in (0.0, 1.0))):
            if all(abs(position - other) >= spacing for other, _ in chosen):
                chosen.append((position, written(severity)))
        return tuple(sorted(chosen))


def severity_axis(severities: Sequence[float]) -> SeverityAxis:
    """Return the axis of the given severities: logarithmic where all are positive, else linear or symmetric.

    An infinite severity stands one typical step beyond the largest finite one.
    """
    ordered = sorted(set(severities))
    finite = [severity for severity in ordered if math.isfinite(severity)]
    raw = [_transform(severity, finite) for severity in finite]
    step = (raw[-1] - raw[0]) / (len(raw) - 1) if len(raw) > 1 else 1.0
    below = [raw[0] - step] if raw and ordered[0] == -math.inf else []
    above = [(raw[-1] if raw else 0.0) + step] if ordered[-1] == math.inf else []
    places = [*below, *raw, *above]
    span = places[-1] - places[0]
    scaled = [(place - places[0]) / span if span > 0.0 else 0.5 for place in places]
    return SeverityAxis(tuple(ordered), tuple(scaled))


def _transform(severity: float, finite: Sequence[float]) -> float:
    sizes = [abs(value) for value in finite if value != 0.0]
    if len(sizes) == len(finite) and min(finite) > 0.0:
        return math.log(severity)
    if sizes and max(sizes) / min(sizes) > LONG_SPAN:
        return math.asinh(severity / max(min(sizes), SMALLEST_SHARE * max(sizes)))
    return severity


def draw_severities(axes: Axes, width: float, axis: SeverityAxis, identity: float | None) -> None:
    """Give a panel of this width (inches) its severities, with a fine line where nothing is shifted."""
    from matplotlib.ticker import FixedFormatter, FixedLocator

    ticks = axis.ticks(TICK_INCHES / max(width, TICK_INCHES), identity)
    axes.set_xlim(-ROOM, 1.0 + ROOM)
    axes.xaxis.set_major_locator(FixedLocator([position for position, _ in ticks]))
    axes.xaxis.set_major_formatter(FixedFormatter([text for _, text in ticks]))
    if identity is not None and identity in axis.severities:
        axes.axvline(axis.position(identity), color=LIGHT_GREY, linewidth=0.6, zorder=1)


def written(severity: float) -> str:
    """Return a severity as short text: `0.33`, `16`, `∞`."""
    if math.isinf(severity):
        return "∞" if severity > 0.0 else "−∞"
    return f"{severity:.2g}".replace("-", "−") if abs(severity) < 100.0 else f"{severity:g}"
