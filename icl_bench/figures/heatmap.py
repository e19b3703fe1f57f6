"""Figure `heatmap`: models x scenarios and severities as shades: skill as on the page, else the headline number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from icl_bench.errors import IncompleteError
from icl_bench.figures.choice import Choice
from icl_bench.figures.heatmap_tiles import BELOW_ZERO, CROSS, DOT, MINUS, Shades, Tile, TileColumn, draw_tiles
from icl_bench.figures.loaded_run import LoadedRun
from icl_bench.figures.page import Key, finish
from icl_bench.figures.places import chosen_points
from icl_bench.figures.request import Request
from icl_bench.figures.style import SKILL_COLOURS
from icl_bench.figures.wording import skill_text
from icl_bench.formatting import printable, shortened
from icl_bench.scores.metric_wording import axis_text
from icl_bench.scores.points import Point
from icl_bench.scores.rows import Statistic
from icl_bench.scores.skill_records import CELL, UNSHIFTED, SkillScore
from icl_bench.tables.metric_roles import MetricRoles

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

SMALLEST, LARGEST = 1e-3, 10.0
"""Ends of the shades of a normalised metric: a thousandth and ten times the risk of predicting zero."""
NOTE_CHARACTER_INCHES = 0.052


def draw(request: Request, runs: Sequence[LoadedRun], choice: Choice) -> Figure:
    """Return the figure, of skill unless a metric is chosen or the run has none; IncompleteError without a number."""
    [run] = runs
    points = chosen_points(request, runs, choice, every=True)
    if choice.metric or not run.summary.skills.basis:
        return _draw_metric(request, run, choice, points)
    found = {**run.summary.skills.of(CELL), **run.summary.skills.of(UNSHIFTED)}
    every = (_skill_column(run, point, choice.models, found) for point in points)
    columns = [column for column in every if column is not None]
    if not _values(columns):
        raise IncompleteError(
            "nothing to draw: no chosen model has a skill at a chosen scenario and severity; choose others with"
            " --models and --scenarios, or a metric with --metric"
        )
    shades = _skill_shades(skill_text([run.summary.skills.basis]))
    return finish(request, draw_tiles(request, columns, choice.models, shades), _key(run, columns, shades, ""))


def _draw_metric(request: Request, run: LoadedRun, choice: Choice, points: Sequence[Point]) -> Figure:
    metric = choice.metric or run.summary.metric
    columns = [_metric_column(run, point, choice, metric) for point in points]
    values = _values(columns)
    if not values:
        raise IncompleteError(
            f"nothing to draw: no chosen model has a {metric} anywhere; choose others with --models and --scenarios"
            " (`icl-bench report` says what failed)"
        )
    shades = _metric_shades(run.summary.roles, metric, values)
    longest = max(int(request.width / NOTE_CHARACTER_INCHES), 20)
    note = "" if choice.metric else shortened(printable(run.summary.skills.note), longest)
    return finish(request, draw_tiles(request, columns, choice.models, shades), _key(run, columns, shades, note))


def _values(columns: Sequence[TileColumn]) -> list[float]:
    return [cell.value for column in columns for cell in column.cells if cell.value is not None]


def _skill_column(
    run: LoadedRun, point: Point, models: Sequence[str], found: Mapping[tuple[str, str], SkillScore]
) -> TileColumn | None:
    """Return the skill of a place; None where it is unshifted and another stands for it."""
    scores = [found.get((model, point.place.name)) for model in models]
    cells = tuple(Tile(None if score is None else score.skill, False) for score in scores)
    if point.place.identity and all(cell.value is None for cell in cells):
        return None
    return TileColumn(_scenario(run, point), point.place.label, "", cells)


def _metric_column(run: LoadedRun, point: Point, choice: Choice, metric: str) -> TileColumn:
    place = point.place
    if choice.metric:
        found: list[object] = [run.rows.get(place, model, metric, point.context_size) for model in choice.models]
    else:
        found = [point.entries[model].shown for model in choice.models]
    cells = tuple(
        Tile(item.value, item.kind == "median") if isinstance(item, Statistic) else Tile(None, False) for item in found
    )
    other_metric = "" if choice.metric or point.metric == metric else point.metric
    return TileColumn(_scenario(run, point), place.label, other_metric, cells)


def _scenario(run: LoadedRun, point: Point) -> str:
    return "unshifted" if point is run.summary.base else point.place.scenario


def _skill_shades(text: str) -> Shades:
    """Return the page's colours: red at -1, blue at 1, and almost white at 0."""
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    colours = LinearSegmentedColormap.from_list("skill", SKILL_COLOURS)
    return Shades(Normalize(-1.0, 1.0), colours, text, at=(-1.0, -0.5, 0.0, 0.5, 1.0), bounded=True, signed=True)


def _metric_shades(roles: MetricRoles, metric: str, values: Sequence[float]) -> Shades:
    """Return the shades of a metric: darker is worse."""
    from matplotlib.colors import LogNorm, Normalize

    text = axis_text(roles, metric)
    colours = "viridis" if roles.is_better_high(metric) else "viridis_r"
    if roles.can_be_negative(metric):
        low, high = (float(end) for end in np.quantile(values, [0.05, 0.95]))
        return Shades(Normalize(low, high if high > low else low + 1.0), colours, text)
    if roles.is_normalised(metric):
        return Shades(LogNorm(SMALLEST, LARGEST), colours, text, SMALLEST)
    low, high = (float(end) for end in np.quantile([value for value in values if value > 0.0] or [1.0], [0.05, 0.95]))
    return Shades(LogNorm(low, max(high, 10.0 * low)), colours, text, low)


def _key(run: LoadedRun, columns: Sequence[TileColumn], shades: Shades, note: str) -> Key:
    from matplotlib.lines import Line2D

    cells = [cell for column in columns for cell in column.cells]
    entries: list[tuple[Artist, str]] = []
    if shades.signed and any(value <= BELOW_ZERO for value in _values(columns)):
        entries.append((Line2D([], [], **MINUS), f"{-BELOW_ZERO:g} or more below predicting zero"))
    if any(cell.value is None for cell in cells):
        entries.append((Line2D([], [], **CROSS), "no number"))
    if any(cell.is_median for cell in cells):
        entries.append((Line2D([], [], **DOT, markersize=3.0), "median, no mean exists"))
    for other in dict.fromkeys(column.other_metric for column in columns if column.other_metric):
        entries.append((Line2D([], [], linestyle="none"), f"† {axis_text(run.summary.roles, other)}"))
    if note:
        entries.append((Line2D([], [], linestyle="none"), note))
    return Key(tuple(handle for handle, _ in entries), tuple(text for _, text in entries))
