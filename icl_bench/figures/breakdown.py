"""Figure `breakdown`: how far each model can be shifted before it is no better than predicting zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from icl_bench.errors import IncompleteError
from icl_bench.figures.choice import Choice
from icl_bench.figures.loaded_run import LoadedRun
from icl_bench.figures.page import Key, finish, label_panel, panel_grid
from icl_bench.figures.request import Request
from icl_bench.figures.series import dialled, identity_severity
from icl_bench.figures.severity_axis import SeverityAxis, draw_severities, severity_axis
from icl_bench.figures.style import PALETTE
from icl_bench.figures.whiskers import PANEL_ROOM, ROW_INCHES, name_rows, names_width
from icl_bench.scores.breakdown import Breakdown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_WIDTH = 1.1
SURVIVED: dict[str, Any] = {"color": PALETTE[0], "linewidth": 2.4}
LEFT_OPEN: dict[str, Any] = {"color": PALETTE[5], "linewidth": 1.0}
BROKEN = PALETTE[1]

Span = tuple[float, float]
"""Two places on the axis of severities."""


@dataclass(frozen=True, slots=True)
class ScenarioDial:
    """The severities of one scenario, and where nothing is shifted."""

    severities: dict[str, float]  # label -> severity
    identity: float | None
    axis: SeverityAxis

    @property
    def start(self) -> float:
        """Where the walk outward begins: the unshifted severity, else the smallest."""
        return self.axis.severities[0] if self.identity is None else self.identity

    def is_above(self, severity: float) -> bool:
        """Tell on which side of the start a severity lies; without an unshifted one there is one side."""
        return self.identity is None or severity > self.identity

    def sides(self) -> tuple[tuple[bool, float], ...]:
        """Return the side and the outermost severity of each side of the start that the grid has."""
        ends = (self.axis.severities[0], self.axis.severities[-1])
        return tuple({self.is_above(end): end for end in ends if end != self.identity}.items())


@dataclass(frozen=True, slots=True)
class RowMarks:
    """What one model's row shows, in places on the axis of severities."""

    survived: tuple[Span, ...] = ()  # surely better than predicting zero
    left_open: tuple[Span, ...] = ()
    broken: tuple[float, ...] = ()
    estimated: tuple[float, ...] = ()  # no better by the estimate, not by its interval


def draw(request: Request, runs: Sequence[LoadedRun], choice: Choice) -> Figure:
    """Return the figure; IncompleteError when no chosen scenario with one dial could be judged."""
    [run] = runs
    found = {(item.scenario, item.model): item for item in run.summary.breakdowns}
    judged = {item.scenario for item in found.values() if item.known and item.model in choice.models}
    scenarios = [scenario for scenario in choice.scenarios if scenario in judged and dialled(run, scenario)]
    if not scenarios:
        raise IncompleteError(
            "nothing to draw: no chosen model could be held against predicting zero in a chosen scenario with one"
            " severity; choose others, or run a suite with such a scenario and the metric normalised_error"
        )
    by_place = {point.place: point for point in run.summary.points}
    height = PANEL_ROOM + ROW_INCHES * max(len(choice.models), 2)
    grid = panel_grid(request, [len(scenarios)], PANEL_WIDTH, height, names_width(choice.models))
    for place, scenario in zip(grid.panels, scenarios, strict=True):
        dial = _dial(run, scenario)
        points = [(severity, by_place[where]) for severity, where in dialled(run, scenario)]
        place.axes.set_ylim(len(choice.models) - 0.5, -0.5)
        draw_severities(place.axes, grid.panel_width, dial.axis, dial.identity)
        name_rows(place.axes, choice.models, shown=place.is_left)
        label_panel(place.axes, scenario, grid.panel_width)
        rows = []
        for model in choice.models:
            doubtful = [severity for severity, point in points if point.entries[model].may_be_broken]
            rows.append(_row(found[scenario, model], dial, doubtful))
        _draw_rows(place.axes, rows)
        if place.is_lowest:
            place.axes.set_xlabel("severity")
    return finish(request, grid.figure, _key())


def _dial(run: LoadedRun, scenario: str) -> ScenarioDial:
    identity = identity_severity(run, scenario)
    places = dialled(run, scenario)
    every = [severity for severity, _ in places] + ([] if identity is None else [identity])
    return ScenarioDial({place.label: severity for severity, place in places}, identity, severity_axis(every))


def _row(item: Breakdown, dial: ScenarioDial, doubtful: Sequence[float]) -> RowMarks:
    """Return what one model's row shows; `doubtful` severities are those where it is not surely better than zero."""
    at = dial.axis.position
    if not item.known:
        return RowMarks()
    if item.unshifted:
        return RowMarks(broken=(at(dial.start),))
    broken = {dial.is_above(severity): severity for severity in map(dial.severities.__getitem__, item.severities)}
    survived: list[Span] = []
    left_open: list[Span] = []
    for side, end in dial.sides():
        last = at(broken.get(side, end))
        onward = [at(severity) for severity in doubtful if dial.is_above(severity) == side]
        sure = min(onward, key=lambda position: abs(position - at(dial.start)), default=last)
        survived.append((at(dial.start), sure))
        left_open.append((sure, last))
    estimated = (at(dial.severities[item.estimated]),) if item.estimated else ()
    return RowMarks(tuple(survived), tuple(left_open), tuple(map(at, broken.values())), estimated)


def _draw_rows(axes: Axes, rows: Sequence[RowMarks]) -> None:
    """Draw the marks of a panel's rows, every kind at once: thousands of single lines would take a minute."""
    from matplotlib.collections import LineCollection

    for spans, how in (([row.survived for row in rows], SURVIVED), ([row.left_open for row in rows], LEFT_OPEN)):
        lines = [[(start, y), (end, y)] for y, row in enumerate(spans) for start, end in row if start != end]
        axes.add_collection(LineCollection(lines, zorder=2, **how), autolim=False)
    for places, filled in (([row.broken for row in rows], True), ([row.estimated for row in rows], False)):
        crosses = [(x, y) for y, row in enumerate(places) for x in row]
        if crosses:
            axes.plot([x for x, _ in crosses], [y for _, y in crosses], **_cross(filled=filled), zorder=4)


def _cross(*, filled: bool) -> dict[str, Any]:
    """Return how a breakdown is marked: filled where the interval says so, open where only the estimate does."""
    fill = {} if filled else {"markerfacecolor": "white", "markeredgewidth": 0.6}
    return {"marker": "X", "linestyle": "none", "color": BROKEN, "markersize": 4.0, **fill}


def _key() -> Key:
    from matplotlib.lines import Line2D

    entries = {
        "surely better than predicting zero": Line2D([], [], **SURVIVED),
        "left open by the 95% interval": Line2D([], [], **LEFT_OPEN),
        "no better": Line2D([], [], **_cross(filled=True)),
        "no better by its estimate": Line2D([], [], **_cross(filled=False)),
    }
    return Key(tuple(entries.values()), tuple(entries))
