"""Drawing curves: means with filled markers and bands, medians with open ones, gaps where there is no number."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from icl_bench.figures.series import BAYES, MODEL, OVERLAY, ZERO, CurveMark, Series
from icl_bench.figures.style import INK, MARKERS, REFERENCE_GREY, ModelStyle, decade_ticks, log_limits, power_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKED = 10
"""A curve shows about this many markers."""
BAND = 0.16
"""Opacity of a band."""
FAR_ABOVE_ZERO, FAR_BELOW_BAYES = 10.0, 3.0
"""Risks beyond these factors of the largest risk of predicting zero and the smallest Bayes risk are off the scale."""
NO_RISK = 1e-4
"""A Bayes risk below this share of the risk of predicting zero sets no scale: nothing but rounding, or almost."""

REFERENCE_LINES: dict[str, dict[str, Any]] = {
    BAYES: {"color": REFERENCE_GREY, "linewidth": 0.9, "linestyle": "solid"},
    ZERO: {"color": REFERENCE_GREY, "linewidth": 0.8, "linestyle": (0.0, (5.0, 2.5))},
}
OVERLAY_DASHES: tuple[tuple[float, ...], ...] = ((3.0, 1.2), (1.0, 1.0), (6.0, 1.2, 1.0, 1.2), (8.0, 2.0))
"""As many labels can be laid over a figure."""


def overlay_line(number: int) -> dict[str, Any]:
    """Return how the curve of a user's label is drawn: ink that no model and no reference has."""
    return {"color": INK, "linewidth": 1.2, "linestyle": (0.0, OVERLAY_DASHES[number % len(OVERLAY_DASHES)])}


Place = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class ValueAxis:
    """The axis of values that all panels share."""

    low: float
    high: float
    is_log: bool  # else linear: for values that may be negative

    @property
    def floor(self) -> float:
        """The lowest that can be drawn: nothing at 0 or below has a logarithm."""
        return self.low / 10.0 if self.is_log else -math.inf

    def holds(self, value: float) -> bool:
        """Tell whether a value lies on the axis."""
        return self.low <= value <= self.high


def value_axis(panels: Iterable[Sequence[Series]], *, linear: bool) -> ValueAxis:
    """Return the axis for the values of all panels, logarithmic unless it has to be linear."""
    found = [series for panel in panels for series in panel]
    return _linear_axis(found) if linear else ValueAxis(*_log_limits(found), is_log=True)


def _linear_axis(found: Sequence[Series]) -> ValueAxis:
    values = _values(series for series in found if series.role != OVERLAY)
    laid = _values(series for series in found if series.role == OVERLAY)
    low, high = min(values, default=0.0), max(values, default=1.0)
    reach = (high - low) or abs(high) or 1.0  # what lies further off than all values are wide does not set the scale
    ends = [end for series in found for mark in series.marks for end in (mark.low, mark.high) if end is not None]
    near = [end for end in (*ends, *laid) if low - reach <= end <= high + reach]
    low, high = min([low, *near]), max([high, *near])
    room = 0.05 * (high - low) or 0.5 * abs(high) or 0.5
    return ValueAxis(low - room, high + room, is_log=False)


def _values(found: Iterable[Series]) -> list[float]:
    return [mark.value for series in found for mark in series.marks if mark.value is not None]


def _log_limits(found: Sequence[Series]) -> tuple[float, float]:
    values = {
        role: _values(series for series in found if series.role == role) for role in (MODEL, ZERO, BAYES, OVERLAY)
    }
    everything = [value for numbers in values.values() for value in numbers]
    everything += [end for series in found for mark in series.marks for end in _near_ends(mark)]
    if not values[ZERO]:
        return log_limits(everything, None, None)
    most = max(values[ZERO])
    least = min((value for value in values[BAYES] if value > NO_RISK * most), default=None)
    return log_limits(everything, None if least is None else least / FAR_BELOW_BAYES, FAR_ABOVE_ZERO * most)


def _near_ends(mark: CurveMark) -> tuple[float, ...]:
    """Return the ends of an interval that is not so wide that it would set the scale."""
    if mark.value is None or mark.low is None or mark.high is None:
        return ()
    return (mark.low, mark.high) if mark.low >= mark.value / 10.0 and mark.high <= mark.value * 10.0 else ()


def draw_values(axes: Axes, scale: ValueAxis) -> None:
    """Give the vertical axis its scale, ticks in plain characters."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    if not scale.is_log:
        axes.set_ylim(scale.low, scale.high)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
        return
    axes.set_yscale("log")
    axes.set_ylim(scale.low, scale.high)
    axes.yaxis.set_major_locator(FixedLocator(decade_ticks(scale.low, scale.high, at_most=6)))
    axes.yaxis.set_major_formatter(FuncFormatter(power_text))
    axes.yaxis.set_minor_locator(NullLocator())


def draw_series(
    axes: Axes, series: Series, how: ModelStyle, place: Place, scale: ValueAxis, *, transparent: bool
) -> None:
    """Draw one curve; `place` maps the marks' x to the axis."""
    if series.role == OVERLAY:
        _draw_overlay(axes, series, place)
        return
    if series.role != MODEL:
        _draw_reference(axes, series, place)
        return
    for is_median in (False, True):
        segments = [
            [mark for mark in group if mark.value is not None]
            for (found, absent), group in itertools.groupby(series.marks, _kind_and_absence)
            if found == is_median and not absent
        ]
        if segments:
            _draw_line(axes, segments, how, place, filled=not is_median)
        for segment in segments:
            _draw_intervals(axes, segment, how, place, scale, transparent=transparent)
    _draw_off_scale(axes, series, how, place, scale)


def _kind_and_absence(mark: CurveMark) -> tuple[bool, bool]:
    return mark.kind == "median", mark.value is None


def _draw_reference(axes: Axes, series: Series, place: Place) -> None:
    [line] = axes.plot(
        [place(mark.x) for mark in series.marks],
        [math.nan if mark.value is None else mark.value for mark in series.marks],
        zorder=4 if series.role == BAYES else 1.5,
    )
    line.set(**REFERENCE_LINES[series.role])


def _draw_overlay(axes: Axes, series: Series, place: Place) -> None:
    xs = [place(mark.x) for mark in series.marks]
    ys = [math.nan if mark.value is None else mark.value for mark in series.marks]
    marker = "_" if len(xs) == 1 else None  # a line of one point is not seen
    axes.plot(xs, ys, **overlay_line(series.run), marker=marker, markersize=8.0, zorder=4.5)


def _draw_line(
    axes: Axes, segments: Sequence[Sequence[CurveMark]], how: ModelStyle, place: Place, *, filled: bool
) -> None:
    xs: list[float] = []
    ys: list[float] = []
    for segment in segments:
        xs.extend([*(place(mark.x) for mark in segment), math.nan])
        ys.extend([*(math.nan if mark.value is None else mark.value for mark in segment), math.nan])
    [line] = axes.plot(
        xs,
        ys,
        color=how.colour,
        marker=how.marker,
        markerfacecolor=how.colour if filled else "white",
        markeredgewidth=0.6,
        markevery=_marked(segments, how) if filled else None,
        linewidth=1.0 if filled else 0.6,
        zorder=3,
    )
    if how.dashes:
        line.set_dashes(how.dashes)


def _marked(segments: Sequence[Sequence[CurveMark]], how: ModelStyle) -> list[int]:
    """Return which points of a line show a marker: a point alone, and every so many, shifted from model to model."""
    starts = [0, *itertools.accumulate(len(segment) + 1 for segment in segments)]  # a gap follows every segment
    every = -(-starts[-1] // (2 * MARKED)) if starts[-1] > MARKED else 1
    first = MARKERS.index(how.marker) % every
    alone = {start for start, segment in zip(starts, segments, strict=False) if len(segment) == 1}
    return sorted(alone | set(range(first, starts[-1], every)))


def _draw_intervals(
    axes: Axes, segment: Sequence[CurveMark], how: ModelStyle, place: Place, scale: ValueAxis, *, transparent: bool
) -> None:
    """Draw a band over neighbours; a whisker for a point alone, or whose interval would bury the panel.

    A point off the scale has none.
    """

    def form(mark: CurveMark) -> str:
        if mark.low is None or mark.high is None or mark.value is None or not scale.holds(mark.value):
            return "none"
        return "band" if scale.low <= mark.low and mark.high <= scale.high else "whisker"

    for name, group in itertools.groupby(segment, form):
        if name != "none":
            marks = list(group)
            xs = [place(mark.x) for mark in marks]
            ends = np.array([[mark.low, mark.high] for mark in marks], dtype=np.float64)
            lows, highs = np.maximum(ends, scale.floor).T  # an interval may reach to zero or below
            if name == "whisker" or len(marks) == 1:
                axes.vlines(xs, lows, highs, color=how.colour, linewidth=0.8, zorder=2.5)
            elif transparent:
                axes.fill_between(xs, lows, highs, color=how.colour, alpha=BAND, linewidth=0.0, zorder=2)
            else:
                axes.fill_between(xs, lows, highs, facecolor="none", edgecolor=how.colour, linewidth=0.3, zorder=2)


def _draw_off_scale(axes: Axes, series: Series, how: ModelStyle, place: Place, scale: ValueAxis) -> None:
    low, high = scale.low, scale.high
    for marker, edge, beyond in (  # triangles inside the panel, their tips at its edge
        (6, high, [mark for mark in series.marks if mark.value is not None and mark.value > high]),
        (7, low, [mark for mark in series.marks if mark.value is not None and mark.value < low]),
    ):
        if beyond:
            axes.plot(
                [place(mark.x) for mark in beyond],
                [edge] * len(beyond),
                linestyle="none",
                marker=marker,
                color=how.colour,
                markersize=3.5,
                zorder=5,
            )
