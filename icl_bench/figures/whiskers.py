"""Dot-and-whisker panels: models down the side, one or more dots with 95% intervals in each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from icl_bench.figures.style import LIGHT_GREY, ModelStyle, decade_ticks, log_limits, name_text, power_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_INCHES = 0.13
"""Height of a row of one dot."""
NAME_CHARACTER_INCHES = 0.052
PANEL_ROOM = 0.55
"""Inches that a panel takes above and below its rows."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One value with its interval."""

    value: float
    low: float | None  # 95% interval; None where there is none
    high: float | None
    look: ModelStyle
    is_mean: bool = True  # else a median, drawn open


@dataclass(frozen=True, slots=True)
class DotPanel:
    """One panel: for each model, in the order of the rows, its dots; none leaves the row empty."""

    label: str
    rows: tuple[tuple[Dot, ...], ...]

    @property
    def values(self) -> list[float]:
        """Every value of the panel."""
        return [dot.value for row in self.rows for dot in row]

    @property
    def ends(self) -> list[float]:
        """Both ends of every interval of the panel."""
        return [end for row in self.rows for dot in row for end in (dot.low, dot.high) if end is not None]


@dataclass(frozen=True, slots=True)
class Scale:
    """The axis of values that panels share."""

    low: float
    high: float
    logarithmic: bool
    reference: float | None  # where a fine line stands: what no shift or no interaction would give


def log_scale(values: Sequence[float], ceiling: float | None, reference: float | None) -> Scale:
    """Return a logarithmic scale of these values, with the reference on it."""
    low, high = log_limits([*values, *([] if reference is None else [reference])], None, ceiling)
    return Scale(low, high, True, reference)


def linear_scale(values: Sequence[float], most: float, reference: float) -> Scale:
    """Return a linear scale of these values, with the reference on it, never beyond `reference` -/+ `most`."""
    low, high = max(min([*values, reference]), reference - most), min(max([*values, reference]), reference + most)
    room = 0.06 * (high - low) or 0.5
    return Scale(low - room, high + room, False, reference)


def draw_dots(axes: Axes, panel: DotPanel, scale: Scale) -> None:
    """Draw the dots of a panel; several of a row side by side in height, each with its whisker."""
    n_rows = len(panel.rows)
    axes.set_ylim(n_rows - 0.5, -0.5)
    for row in range(n_rows):
        axes.axhline(row, color=LIGHT_GREY, linewidth=0.3, zorder=0.5)
    if scale.reference is not None:
        axes.axvline(scale.reference, color=LIGHT_GREY, linewidth=0.8, zorder=1)
    _value_ticks(axes, scale)
    for row, dots in enumerate(panel.rows):
        for number, dot in enumerate(dots):
            offset = 0.0 if len(dots) == 1 else 0.56 * (number / (len(dots) - 1) - 0.5)
            _draw_dot(axes, dot, row + offset, scale)


def _value_ticks(axes: Axes, scale: Scale) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    if not scale.logarithmic:
        axes.set_xlim(scale.low, scale.high)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
        return
    axes.set_xscale("log")
    axes.set_xlim(scale.low, scale.high)
    axes.xaxis.set_major_locator(FixedLocator(decade_ticks(scale.low, scale.high, at_most=4)))
    axes.xaxis.set_major_formatter(FuncFormatter(power_text))
    axes.xaxis.set_minor_locator(NullLocator())


def is_off(value: float, scale: Scale) -> bool:
    """Tell whether a value lies outside the scale."""
    return not scale.low <= value <= scale.high


def _draw_dot(axes: Axes, dot: Dot, y: float, scale: Scale) -> None:
    colour = dot.look.colour
    if is_off(dot.value, scale):
        right = dot.value > scale.high
        edge, marker = (scale.high, 5) if right else (scale.low, 4)
        axes.plot([edge], [y], marker=marker, color=colour, markersize=3.5, zorder=4)
        return
    if dot.low is not None and dot.high is not None:
        low = max(dot.low, scale.low / 10.0) if scale.logarithmic else dot.low
        axes.hlines([y], [low], [dot.high], color=colour, linewidth=0.9, zorder=2)
    axes.plot(
        [dot.value],
        [y],
        marker=dot.look.marker,
        color=colour,
        markerfacecolor=colour if dot.is_mean else "white",
        markeredgewidth=0.6,
        zorder=3,
    )


def name_rows(axes: Axes, models: Sequence[str], *, shown: bool) -> None:
    """Write the models' names beside the rows, or leave the marks bare."""
    axes.set_yticks(range(len(models)), [name_text(model) for model in models] if shown else [""] * len(models))
    axes.tick_params(axis="y", length=0.0)
    axes.spines["left"].set_visible(False)


def names_width(models: Sequence[str]) -> float:
    """Return about how many inches the names of rows take."""
    return 0.1 + NAME_CHARACTER_INCHES * max((len(name_text(model)) for model in models), default=0)
