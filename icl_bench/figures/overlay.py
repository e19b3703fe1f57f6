"""A user's own curves laid over the panels of a figure: which panels each goes to, and what of it they show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from icl_bench.errors import UsageError
from icl_bench.figures.curve_panel import CurvePanel
from icl_bench.figures.curves import OVERLAY_DASHES, ValueAxis
from icl_bench.figures.overlay_file import OverlayCurve, read_overlays
from icl_bench.figures.places import is_severity
from icl_bench.figures.request import Request
from icl_bench.figures.series import OVERLAY, CurveMark, Series
from icl_bench.names import nearest


def laid_over(request: Request, panels: Sequence[CurvePanel]) -> tuple[CurvePanel, ...]:
    """Return the panels with the curves of the request's files.

    Rows beyond what a panel's axis shows are left out. Raises UsageError when a file cannot be read, and when a curve
    belongs to no panel, has no row within one, or comes twice into one.
    """
    curves = read_overlays(request.overlays, request.kind) if request.overlays else ()
    labels = list(dict.fromkeys(curve.label for curve in curves))
    if len(labels) > len(OVERLAY_DASHES):
        raise UsageError(
            f"--overlay: expected at most {len(OVERLAY_DASHES)} labels, more dash patterns cannot be told apart, got"
            f" {len(labels)}; draw several figures"
        )
    added: list[list[Series]] = [[] for _ in panels]
    for curve in curves:
        meant = [number for number, panel in enumerate(panels) if _belongs(curve, panel)]
        if not meant:
            _refuse_place(curve, panels)
        shown = {number: marks for number in meant if (marks := _marks(curve, panels[number]))}
        if not shown:
            _refuse_reach(curve, [panels[number] for number in meant])
        for number, marks in shown.items():
            if any(series.name == curve.label for series in added[number]):
                raise UsageError(
                    f"{curve.told} comes twice into the panel {panels[number].label}; expected rows for it under one"
                    " scenario, or for every panel; give one of both another label"
                )
            added[number].append(Series(OVERLAY, curve.label, labels.index(curve.label), marks))
    return tuple(replace(panel, series=(*panel.series, *series)) for panel, series in zip(panels, added, strict=True))


def check_seen(panels: Sequence[CurvePanel], scale: ValueAxis) -> None:
    """Raise UsageError when a curve has values, none of which lies on the scale."""
    seen: dict[str, list[float]] = {}
    for series in (series for panel in panels for series in panel.series if series.role == OVERLAY):
        seen.setdefault(series.name, []).extend(mark.value for mark in series.marks if mark.value is not None)
    for label, values in seen.items():
        if not any(map(scale.holds, values)):
            raise UsageError(
                f"--overlay: no value of the curve {label!r} lies on the axis, {scale.low:.3g} to {scale.high:.3g}:"
                f" they go from {min(values):.3g} to {max(values):.3g}; expected what the figure shows, in its units"
            )


def _belongs(curve: OverlayCurve, panel: CurvePanel) -> bool:
    if curve.scenario not in ("", panel.scenario, panel.label):
        return False
    return not curve.severity or is_severity(panel.severity, curve.severity)


def _marks(curve: OverlayCurve, panel: CurvePanel) -> tuple[CurveMark, ...]:
    return tuple(CurveMark(x, value) for x, value in curve.points if math.isfinite(panel.place(x)))


def _refuse_place(curve: OverlayCurve, panels: Sequence[CurvePanel]) -> None:
    scenarios = list(dict.fromkeys(panel.scenario for panel in panels))
    wrong = curve.severity if curve.scenario in ("", *scenarios) else curve.scenario
    shown = [" ".join(part for part in (panel.scenario, panel.severity) if part) for panel in panels]
    raise UsageError(
        f"{curve.told} belongs to no panel; expected one that the figure shows: {', '.join(shown)}; got"
        f" {wrong!r}{nearest(wrong, scenarios)}; mend or drop its rows, or choose it with --scenarios"
    )


def _refuse_reach(curve: OverlayCurve, panels: Sequence[CurvePanel]) -> None:
    reaches = "; ".join(f"{panel.label} {panel.reach[0]:g} to {panel.reach[1]:g}" for panel in panels)
    raise UsageError(
        f"{curve.told} has no row within what is drawn; expected x in {reaches}; got"
        f" {curve.points[0][0]:g} to {curve.points[-1][0]:g}"
    )
