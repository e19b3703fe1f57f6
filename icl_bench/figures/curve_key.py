"""The key of a figure of curves: models, runs, reference lines, and only the marks that are really on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from icl_bench.figures.curves import BAND, REFERENCE_LINES, ValueAxis, overlay_line
from icl_bench.figures.model_looks import style_of
from icl_bench.figures.page import Key
from icl_bench.figures.series import BAYES, MODEL, OVERLAY, ZERO, Series
from icl_bench.figures.style import DASHES, REFERENCE_GREY, name_text, paler
from icl_bench.rendering.looks import Look

if TYPE_CHECKING:
    from matplotlib.artist import Artist

REFERENCE_TEXTS = {BAYES: "Bayes", ZERO: "predicting zero"}


def curve_key(
    models: Sequence[str],
    looks: Mapping[str, Look],
    runs: Sequence[str],
    panels: Sequence[Sequence[Series]],
    scale: ValueAxis,
    *,
    transparent: bool,
) -> Key:
    """Return the key of curves drawn on `scale`; `runs` are in the order of their dashes."""
    found = [series for panel in panels for series in panel]
    entries = [
        *_models(models, looks, len(runs), found),
        *_runs(runs),
        *_references(found),
        *_overlays(found, scale),
        *_marks(found, scale, transparent=transparent),
    ]
    return Key(tuple(handle for handle, _ in entries), tuple(text for _, text in entries))


def _models(
    models: Sequence[str], looks: Mapping[str, Look], n_runs: int, found: Sequence[Series]
) -> list[tuple[Artist, str]]:
    from matplotlib.lines import Line2D

    drawn = {series.name for series in found if series.role == MODEL}
    entries: list[tuple[Artist, str]] = []
    for model in models:
        if model in drawn:
            how = style_of(looks, model, 0, n_runs)
            line = Line2D([], [], color=how.colour, marker=how.marker, markeredgewidth=0.6)
            if how.dashes:
                line.set_dashes(how.dashes)
            entries.append((line, name_text(model)))
    return entries


def _runs(runs: Sequence[str]) -> list[tuple[Artist, str]]:
    from matplotlib.lines import Line2D

    entries: list[tuple[Artist, str]] = []
    for index, run in enumerate(runs if len(runs) > 1 else ()):
        line = Line2D([], [], color=REFERENCE_GREY)
        if DASHES[index % len(DASHES)]:
            line.set_dashes(DASHES[index % len(DASHES)])
        entries.append((line, f"run {name_text(run)}"))
    return entries


def _references(found: Sequence[Series]) -> list[tuple[Artist, str]]:
    from matplotlib.lines import Line2D

    roles = {series.role for series in found}
    return [(Line2D([], [], **REFERENCE_LINES[role]), text) for role, text in REFERENCE_TEXTS.items() if role in roles]


def _overlays(found: Sequence[Series], scale: ValueAxis) -> list[tuple[Artist, str]]:
    from matplotlib.lines import Line2D

    laid: dict[str, list[Series]] = {}
    for series in found:
        if series.role == OVERLAY:
            laid.setdefault(series.name, []).append(series)
    entries: list[tuple[Artist, str]] = []
    for label, curves in laid.items():
        values = [mark.value for series in curves for mark in series.marks if mark.value is not None]
        beyond = "" if all(map(scale.holds, values)) else " (partly off the scale)"
        entries.append((Line2D([], [], **overlay_line(curves[0].run)), name_text(label) + beyond))
    return entries


def _marks(found: Sequence[Series], scale: ValueAxis, *, transparent: bool) -> list[tuple[Artist, str]]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    marks = [mark for series in found if series.role == MODEL for mark in series.marks if mark.value is not None]
    entries: list[tuple[Artist, str]] = []
    if any(mark.low is not None for mark in marks):
        if transparent:
            band = Patch(facecolor=paler(REFERENCE_GREY, 2.0 * BAND), linewidth=0.0)
        else:
            band = Patch(facecolor="none", edgecolor=REFERENCE_GREY, linewidth=0.3)
        entries.append((band, "95% interval"))
    if any(mark.kind == "median" for mark in marks):
        open_mark = Line2D([], [], color=REFERENCE_GREY, marker="o", markerfacecolor="white", linewidth=0.6)
        entries.append((open_mark, "open: median, no mean exists"))
    if any(not scale.holds(mark.value) for mark in marks if mark.value is not None):
        entries.append((Line2D([], [], color=REFERENCE_GREY, marker=6, linestyle="none"), "off the scale"))
    return entries
