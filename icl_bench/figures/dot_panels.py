"""Dot-and-whisker panels side by side, models named at the left: for `scores`, `agreement` and `interaction`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from icl_bench.figures.page import Key, finish, label_panel, panel_grid
from icl_bench.figures.request import Request
from icl_bench.figures.style import REFERENCE_GREY, ModelStyle
from icl_bench.figures.whiskers import (
    PANEL_ROOM,
    ROW_INCHES,
    DotPanel,
    Scale,
    draw_dots,
    is_off,
    name_rows,
    names_width,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class DotGroup:
    """Panels on one scale, in rows of their own."""

    panels: tuple[DotPanel, ...]
    scale: Scale
    x_text: str


def draw_dot_groups(
    request: Request,
    groups: Sequence[DotGroup],
    models: Sequence[str],
    panel_width: float,
    entries: Sequence[tuple[str, ModelStyle]],
) -> Figure:
    """Return a figure of groups of panels; `entries` are the kinds of dots that the key names."""
    contents = [(group, panel) for group in groups for panel in group.panels]
    most_dots = max(len(row) for _, panel in contents for row in panel.rows)
    height = PANEL_ROOM + ROW_INCHES * (0.7 + 0.3 * most_dots) * max(len(models), 2)
    counts = [len(group.panels) for group in groups]
    grid = panel_grid(request, counts, panel_width, height, names_width(models))
    for place, (group, panel) in zip(grid.panels, contents, strict=True):
        draw_dots(place.axes, panel, group.scale)
        name_rows(place.axes, models, shown=place.is_left)
        label_panel(place.axes, panel.label, grid.panel_width)
        if place.is_lowest:
            place.axes.set_xlabel(group.x_text)
    return finish(request, grid.figure, _key(entries, contents))


def _key(entries: Sequence[tuple[str, ModelStyle]], contents: Sequence[tuple[DotGroup, DotPanel]]) -> Key:
    """Return the named kinds of dots, and only the marks that are really on the panels."""
    from matplotlib.lines import Line2D

    handles: list[Artist] = [Line2D([], [], color=how.colour, marker=how.marker, linewidth=0.9) for _, how in entries]
    texts = [text for text, _ in entries]
    dots = [(dot, group.scale) for group, panel in contents for row in panel.rows for dot in row]
    if any(dot.low is not None for dot, _ in dots):
        handles.append(Line2D([], [], color=REFERENCE_GREY, linewidth=0.9))
        texts.append("95% interval")
    if any(not dot.is_mean for dot, _ in dots):
        handles.append(Line2D([], [], color=REFERENCE_GREY, marker="o", markerfacecolor="white", linestyle="none"))
        texts.append("open: median, no mean exists")
    if any(is_off(dot.value, scale) for dot, scale in dots):
        handles.append(Line2D([], [], color=REFERENCE_GREY, marker=5, linestyle="none"))
        texts.append("off the scale")
    return Key(tuple(handles), tuple(texts))
