"""Figure `heatmap`: models x scenarios and severities, the headline number as a shade, absent cells hatched."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from icl_bench.errors import IncompleteError
from icl_bench.figures.choice import Choice
from icl_bench.figures.loaded_run import LoadedRun
from icl_bench.figures.page import Key, finish, panel_grid
from icl_bench.figures.places import chosen_points
from icl_bench.figures.request import Request
from icl_bench.figures.severity_axis import written
from icl_bench.figures.style import REFERENCE_GREY, decade_ticks, name_text, power_text
from icl_bench.figures.whiskers import ROW_INCHES, name_rows
from icl_bench.scores.metric_wording import axis_text
from icl_bench.scores.points import Point
from icl_bench.scores.rows import Statistic
from icl_bench.tables.metric_roles import MetricRoles

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

CELL_INCHES, NAMES_INCHES, LABELS_INCHES = 0.11, 1.2, 1.0
SMALLEST, LARGEST = 1e-3, 10.0
"""Ends of the shades of a normalised metric: a thousandth and ten times the risk of predicting zero."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One model at one place."""

    value: float | None
    is_median: bool  # where no mean exists


@dataclass(frozen=True, slots=True)
class Shades:
    """How values become shades: darker is worse."""

    norm: Normalize
    colours: str  # matplotlib's name of the map
    lowest: float | None  # values below it are drawn as it is: 0 has no logarithm; None: linear

    def ticks(self) -> list[float] | None:
        """Return the values to write beside the shades; None: matplotlib's own choice."""
        if self.lowest is None:
            return None
        return decade_ticks(float(self.norm.vmin or 1.0), float(self.norm.vmax or 1.0), 5)


@dataclass(frozen=True, slots=True)
class TileColumn:
    """One scenario and severity."""

    scenario: str  # `unshifted` for the reference
    label: str  # the severity as text
    other_metric: str  # what is shown where it is not the metric of the figure; empty else
    cells: tuple[Tile, ...]  # one a model


def draw(request: Request, runs: Sequence[LoadedRun], choice: Choice) -> Figure:
    """Return the figure; IncompleteError when no cell has a number."""
    [run] = runs
    metric = choice.metric or run.summary.metric
    columns = [_column(run, point, choice, metric) for point in chosen_points(request, runs, choice, every=True)]
    values = [cell.value for column in columns for cell in column.cells if cell.value is not None]
    if not values:
        raise IncompleteError(
            f"nothing to draw: no chosen model has a {metric} anywhere; choose others with --models and --scenarios"
            " (`icl-bench report` says what failed)"
        )
    shades = _shades(run.summary.roles, metric, values)
    n_columns = max(4, int((request.width - NAMES_INCHES) / CELL_INCHES))
    bands = _bands(columns, n_columns)
    height = LABELS_INCHES + ROW_INCHES * max(len(choice.models), 2)
    grid = panel_grid(request, [1] * len(bands), request.width, height, NAMES_INCHES)
    for place, band in zip(grid.panels, bands, strict=True):
        _band(place.axes, band, choice.models, shades, n_columns if len(bands) > 1 else len(band))
    _shade_bar(grid.figure, [place.axes for place in grid.panels], shades, axis_text(run.summary.roles, metric))
    return finish(request, grid.figure, _key(run.summary.roles, columns))


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


def _column(run: LoadedRun, point: Point, choice: Choice, metric: str) -> TileColumn:
    place = point.place
    if choice.metric:
        found: list[object] = [run.rows.get(place, model, metric, point.context_size) for model in choice.models]
    else:
        found = [point.entries[model].shown for model in choice.models]
    cells = tuple(
        Tile(item.value, item.kind == "median") if isinstance(item, Statistic) else Tile(None, False) for item in found
    )
    other_metric = "" if choice.metric or point.metric == metric else point.metric
    return TileColumn("unshifted" if point is run.summary.base else place.scenario, place.label, other_metric, cells)


def _shades(roles: MetricRoles, metric: str, values: Sequence[float]) -> Shades:
    from matplotlib.colors import LogNorm, Normalize

    colours = "viridis" if roles.is_better_high(metric) else "viridis_r"
    if roles.can_be_negative(metric):
        low, high = (float(end) for end in np.quantile(values, [0.05, 0.95]))
        return Shades(Normalize(low, high if high > low else low + 1.0), colours, None)
    if roles.is_normalised(metric):
        return Shades(LogNorm(SMALLEST, LARGEST), colours, SMALLEST)
    low, high = (float(end) for end in np.quantile([value for value in values if value > 0.0] or [1.0], [0.05, 0.95]))
    return Shades(LogNorm(low, max(high, 10.0 * low)), colours, low)


def _band(axes: Axes, columns: Sequence[TileColumn], models: Sequence[str], shades: Shades, width: int) -> None:
    shape = (len(models), len(columns))
    numbers = np.full(shape, np.nan)
    for x, column in enumerate(columns):
        for y, cell in enumerate(column.cells):
            if cell.value is None:
                _hatch(axes, x, y)
                continue
            numbers[y, x] = cell.value if shades.lowest is None else max(cell.value, shades.lowest)
            if cell.is_median:
                axes.plot(
                    [x], [y], marker="o", markersize=2.0, color="black", markerfacecolor="white", markeredgewidth=0.3
                )
    edges_x, edges_y = np.arange(shape[1] + 1) - 0.5, np.arange(shape[0] + 1) - 0.5
    axes.pcolormesh(edges_x, edges_y, numbers, norm=shades.norm, cmap=shades.colours, edgecolors="white", linewidth=0.3)
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(len(models) - 0.5, -0.5)
    name_rows(axes, models, shown=True)
    axes.spines["bottom"].set_visible(False)
    _column_labels(axes, columns)


def _hatch(axes: Axes, x: int, y: int) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle(
            (x - 0.5, y - 0.5), 1.0, 1.0, facecolor="white", edgecolor=REFERENCE_GREY, hatch="//////", linewidth=0.0
        )
    )


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
            rotation=45.0,
            rotation_mode="anchor",
            fontsize=5.5,
            annotation_clip=False,
        )


def _severity_text(column: TileColumn) -> str:
    mark = "†" if column.other_metric else ""
    try:
        return written(float(column.label)) + mark
    except ValueError:
        return name_text(column.label) + mark if column.label else mark or " "


def _shade_bar(figure: Figure, axes: Sequence[Axes], shades: Shades, text: str) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    bar = figure.colorbar(
        ScalarMappable(shades.norm, shades.colours), ax=list(axes), extend="both", fraction=0.03, pad=0.01, aspect=30
    )
    ticks = shades.ticks()
    if ticks is not None:
        bar.ax.yaxis.set_major_locator(FixedLocator(ticks))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(power_text))
        bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.set_label(text)
    bar.outline.set_linewidth(0.4)


def _key(roles: MetricRoles, columns: Sequence[TileColumn]) -> Key:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    cells = [cell for column in columns for cell in column.cells]
    handles: list[Artist] = []
    texts: list[str] = []
    if any(cell.value is None for cell in cells):
        handles.append(Patch(facecolor="white", edgecolor=REFERENCE_GREY, hatch="//////", linewidth=0.4))
        texts.append("no number")
    if any(cell.is_median for cell in cells):
        handles.append(
            Line2D([], [], marker="o", markersize=3.0, color=REFERENCE_GREY, markerfacecolor="white", linestyle="none")
        )
        texts.append("median, no mean exists")
    for other in dict.fromkeys(column.other_metric for column in columns if column.other_metric):
        handles.append(Line2D([], [], linestyle="none"))
        texts.append(f"† {axis_text(roles, other)}")
    return Key(tuple(handles), tuple(texts))
