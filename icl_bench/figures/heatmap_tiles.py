"""Tiles of a heatmap: what each shows, in bands of columns that fit the page, with the bar of their shades."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from icl_bench.figures.page import panel_grid
from icl_bench.figures.request import Request
from icl_bench.figures.severity_axis import written
from icl_bench.figures.style import REFERENCE_GREY, decade_ticks, name_text, power_text
from icl_bench.figures.whiskers import ROW_INCHES, name_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

CELL_INCHES, NAMES_INCHES, LABELS_INCHES = 0.11, 1.2, 1.0
BELOW_ZERO = -0.05
"""A shade nearer to zero is as good as white, whichever its sign."""
CROSS: dict[str, Any] = {
    "marker": "x",
    "linestyle": "none",
    "color": REFERENCE_GREY,
    "markersize": 3.0,
    "markeredgewidth": 0.6,
}
"""How a tile without a number is marked, as on the page."""
DOT: dict[str, Any] = {
    "marker": "o",
    "linestyle": "none",
    "color": "black",
    "markerfacecolor": "white",
    "markeredgewidth": 0.3,
}
MINUS: dict[str, Any] = {
    "marker": "_",
    "linestyle": "none",
    "color": "black",
    "markersize": 3.0,
    "markeredgewidth": 0.6,
}


@dataclass(frozen=True, slots=True)
class Tile:
    """One model at one place."""

    value: float | None
    is_median: bool  # where no mean exists


@dataclass(frozen=True, slots=True)
class Shades:
    """How values become shades, and what the bar beside them says."""

    norm: Normalize
    colours: Colormap | str  # of matplotlib, or its name there
    text: str  # what the values are
    lowest: float | None = None  # values below it are drawn as it is: 0 has no logarithm; None: linear
    at: tuple[float, ...] = ()  # values to write beside the shades of a linear scale; empty: matplotlib's own choice
    bounded: bool = False  # no value lies beyond the ends
    signed: bool = False  # tiles clearly below zero are marked: a grey print does not tell both ends apart

    def ticks(self) -> list[float] | None:
        """Return the values to write beside the shades; None: matplotlib's own choice."""
        if self.lowest is None:
            return list(self.at) or None
        return decade_ticks(float(self.norm.vmin or 1.0), float(self.norm.vmax or 1.0), 5)


@dataclass(frozen=True, slots=True)
class TileColumn:
    """One scenario and severity."""

    scenario: str  # `unshifted` for the reference
    label: str  # the severity as text
    other_metric: str  # what is shown where it is not the metric of the figure; empty else
    cells: tuple[Tile, ...]  # one a model


def draw_tiles(request: Request, columns: Sequence[TileColumn], models: Sequence[str], shades: Shades) -> Figure:
    """Return the figure of a row a model and a column a place, without its key."""
    n_columns = max(4, int((request.width - NAMES_INCHES) / CELL_INCHES))
    bands = _bands(columns, n_columns)
    height = LABELS_INCHES + ROW_INCHES * max(len(models), 2)
    grid = panel_grid(request, [1] * len(bands), request.width, height, NAMES_INCHES)
    for place, band in zip(grid.panels, bands, strict=True):
        _band(place.axes, band, models, shades, n_columns if len(bands) > 1 else len(band))
    _shade_bar(grid.figure, [place.axes for place in grid.panels], shades)
    return grid.figure


def _bands(columns: Sequence[TileColumn], width: int) -> list[list[TileColumn]]:
    """Return the columns in bands of at most `width`, a scenario broken only where it is wider than a band."""
    bands: list[list[TileColumn]] = [[]]
    for _, group in itertools.groupby(columns, lambda column: column.scenario):
        members = list(group)
        if bands[-1] and len(bands[-1]) + len(members) > width:
            bands.append([])
        for start in range(0, len(members), width):
            if start:
                bands.append([])
            bands[-1].extend(members[start : start + width])
    return bands


def _band(axes: Axes, columns: Sequence[TileColumn], models: Sequence[str], shades: Shades, width: int) -> None:
    shape = (len(models), len(columns))
    numbers = np.full(shape, np.nan)
    marks: dict[str, list[tuple[int, int]]] = {"cross": [], "dot": [], "minus": []}
    for x, column in enumerate(columns):
        for y, cell in enumerate(column.cells):
            if cell.value is None:
                marks["cross"].append((x, y))
                continue
            numbers[y, x] = cell.value if shades.lowest is None else max(cell.value, shades.lowest)
            if cell.is_median:
                marks["dot"].append((x, y))
            if shades.signed and cell.value <= BELOW_ZERO:
                marks["minus"].append((x, y))
    for name, how in (("cross", CROSS), ("dot", {**DOT, "markersize": 2.0}), ("minus", MINUS)):
        if marks[name]:
            axes.plot([x for x, _ in marks[name]], [y for _, y in marks[name]], **how)
    edges_x, edges_y = np.arange(shape[1] + 1) - 0.5, np.arange(shape[0] + 1) - 0.5
    axes.pcolormesh(edges_x, edges_y, numbers, norm=shades.norm, cmap=shades.colours, edgecolors="white", linewidth=0.3)
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(len(models) - 0.5, -0.5)
    name_rows(axes, models, shown=True)
    axes.spines["bottom"].set_visible(False)
    _column_labels(axes, columns)


def _column_labels(axes: Axes, columns: Sequence[TileColumn]) -> None:
    """Write severities below the cells, and each scenario's name above its first, with a line between scenarios."""
    axes.tick_params(axis="x", length=0.0, pad=1.0)
    axes.set_xticks(
        range(len(columns)),
        [_severity_text(column) for column in columns],
        rotation=90.0,
        fontsize=5.0,
    )
    for x, column in enumerate(columns):
        if x and columns[x - 1].scenario == column.scenario:
            continue
        if x:
            axes.axvline(x - 0.5, color="black", linewidth=0.6)
        axes.annotate(
            name_text(column.scenario),
            (x - 0.2, -0.5),
            xytext=(0.0, 2.0),
            textcoords="offset points",
            rotation=60.0,
            rotation_mode="anchor",
            fontsize=5.0,
            annotation_clip=False,
        )


def _number(value: float, _position: object) -> str:
    return f"{value:g}".replace("-", "−")


def _severity_text(column: TileColumn) -> str:
    mark = "†" if column.other_metric else ""
    try:
        return written(float(column.label)) + mark
    except ValueError:
        return name_text(column.label) + mark if column.label else mark or " "


def _shade_bar(figure: Figure, axes: Sequence[Axes], shades: Shades) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    bar = figure.colorbar(
        ScalarMappable(shades.norm, shades.colours),
        ax=list(axes),
        extend="neither" if shades.bounded else "both",
        fraction=0.03,
        pad=0.01,
        aspect=30,
    )
    ticks = shades.ticks()
    if ticks is not None:
        bar.ax.yaxis.set_major_locator(FixedLocator(ticks))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(power_text if shades.lowest is not None else _number))
        bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.set_label(shades.text)
    bar.outline.set_linewidth(0.4)
