"""Figure `skill`: skill against severity, one panel a scenario; Bayes is the line at 1, predicting zero that at 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from icl_bench.errors import IncompleteError
from icl_bench.figures.choice import Choice
from icl_bench.figures.curve_panel import CurvePanel
from icl_bench.figures.curve_panels import draw_panels
from icl_bench.figures.curves import ValueAxis
from icl_bench.figures.loaded_run import LoadedRun
from icl_bench.figures.request import Request
from icl_bench.figures.series import BAYES, MODEL, ZERO, CurveMark, Series, identity_severity
from icl_bench.figures.severity_panel import PANEL_INCHES, severity_panel
from icl_bench.figures.wording import skill_text
from icl_bench.scores.skill_records import CELL, UNSHIFTED, SkillScore

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOM = 0.06
"""What the axis has below the worst that is drawn, and above 1."""
LOWEST = -1.0
ENDS = {1.0, 0.0}
"""What Bayes and predicting zero have everywhere: lines of their own, so that such a model is not drawn again."""


def draw(request: Request, runs: Sequence[LoadedRun], choice: Choice) -> Figure:
    """Return the figure; IncompleteError when no chosen model has a skill in a scenario with one dial."""
    held = [_RunSkills(run.summary.skills.of(CELL), _by_model(run)) for run in runs]
    every = (_panel(runs, held, scenario, choice) for scenario in choice.scenarios)
    panels = [panel for panel in every if panel is not None]
    if not panels:
        notes = [run.summary.skills.note for run in runs if run.summary.skills.note]
        raise IncompleteError(
            f"nothing to draw: {notes[0] if notes else 'no chosen model has a skill in a chosen scenario'};"
            " --kind severity draws risks"
        )
    text = skill_text(run.summary.skills.basis for run in runs)
    return draw_panels(request, runs, choice, panels, PANEL_INCHES, axis_of=_value_axis, y_text=text)


def _value_axis(drawn: Sequence[Sequence[Series]]) -> ValueAxis:
    """Return the axis from the worst that is drawn, but at least -1, to 1."""
    values = [mark.value for panel in drawn for series in panel for mark in series.marks if mark.value is not None]
    return ValueAxis(max(LOWEST, min([0.0, *values])) - ROOM, 1.0 + ROOM, is_log=False)


@dataclass(frozen=True, slots=True)
class _RunSkills:
    """The scores of one run that curves are made of."""

    cells: Mapping[tuple[str, str], SkillScore]  # (model, place)
    unshifted: Mapping[str, SkillScore]  # model


def _by_model(run: LoadedRun) -> dict[str, SkillScore]:
    return {model: score for (model, _), score in run.summary.skills.of(UNSHIFTED).items()}


def _panel(runs: Sequence[LoadedRun], held: Sequence[_RunSkills], scenario: str, choice: Choice) -> CurvePanel | None:
    """Return the curves of one scenario; None where no model has a skill at a severity of it."""
    models = [
        series
        for index, run in enumerate(runs)
        for model in choice.of(run)
        if (series := _series(run, held[index], index, scenario, model)) is not None
    ]
    if not models:
        return None
    xs = sorted({mark.x for series in models for mark in series.marks})
    lines = [Series(role, "", 0, tuple(CurveMark(x, value) for x in xs)) for role, value in ((BAYES, 1.0), (ZERO, 0.0))]
    return severity_panel(runs, scenario, (*lines, *models))


def _series(run: LoadedRun, held: _RunSkills, index: int, scenario: str, model: str) -> Series | None:
    """Return a model's skill, unshifted at the identity; None where it has none, or is Bayes or zero itself."""
    places = [place for place in run.summary.skills.places if place.scenario == scenario and place.severity is not None]
    marks = [_mark(place.severity or 0.0, held.cells.get((model, place.name))) for place in places]
    known = [mark.value for mark in marks if mark.value is not None]
    if not known or (set(known) <= ENDS and len(set(known)) == 1):
        return None
    identity = identity_severity(run, scenario)
    unshifted = held.unshifted.get(model)
    if identity is not None and unshifted is not None:
        marks.append(_mark(identity, unshifted))
    return Series(MODEL, model, index, tuple(sorted(marks, key=lambda mark: mark.x)))


def _mark(x: float, score: SkillScore | None) -> CurveMark:
    return CurveMark(x, None) if score is None else CurveMark(x, score.skill, score.ci_low, score.ci_high)
