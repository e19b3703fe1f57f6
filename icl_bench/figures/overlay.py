"""A user's own curves, such as a theory's, laid over a figure: read from CSV files, one row a point."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from icl_bench.errors import UsageError
from icl_bench.formatting import shortened
from icl_bench.names import nearest

if TYPE_CHECKING:
    from icl_bench.figures.curve_panels import CurvePanel

X_NAMES = {"skill": "severity", "severity": "severity", "context": "context_size"}
"""What the horizontal axis of a kind of figure is called in a file, beside `x`."""
MOST_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class OverlayCurve:
    """One curve: its points by x, and the panels that it belongs to."""

    label: str
    scenario: str  # empty: every panel
    points: tuple[tuple[float, float], ...]  # (severity or context size, value), ascending
    source: str  # how messages name its file


def read_overlays(paths: Iterable[Path], kind: str) -> tuple[OverlayCurve, ...]:
    """Return the curves of CSV files with the columns x, value and, where wanted, scenario and label.

    `x` may be called as the axis of the kind is: `severity`, or `context_size`. A scenario that is absent or empty
    stands for every panel; without labels a curve is called as its file is. Raises UsageError, which says where, when a
    file cannot be read or holds anything else.
    """
    return tuple(curve for path in paths for curve in _curves(path, kind))


def _curves(path: Path, kind: str) -> Iterator[OverlayCurve]:
    name = f"--overlay {path}"
    if kind not in X_NAMES:
        raise UsageError(f"--overlay means nothing to --kind {kind}; it is for {', '.join(X_NAMES)}")
    found: dict[tuple[str, str], dict[float, float]] = {}
    rows = csv.DictReader(io.StringIO(_text(path, name)), strict=True)
    try:
        x_column = _x_column(rows.fieldnames or (), kind, name)
        for row in rows:
            where = f"{name}, line {rows.line_num}"
            key = ((row.get("label") or "").strip() or path.stem, (row.get("scenario") or "").strip())
            x = _number(row[x_column], x_column, where, infinite=kind != "context")
            points = found.setdefault(key, {})
            if x in points:
                raise UsageError(f"{where}: {x_column} {x:g} came before in the curve {key[0]!r}; expected it once")
            points[x] = _value(row["value"], kind, where)
    except csv.Error as error:
        raise UsageError(f"{name}, line {rows.line_num}: expected comma-separated values ({error})") from error
    if not found:
        raise UsageError(f"{name}: expected at least one row below the head; there is none")
    for (label, scenario), points in found.items():
        yield OverlayCurve(label, scenario, tuple(sorted(points.items())), name)


def _text(path: Path, name: str) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{name}: {path.stat().st_size:,} bytes; expected a curve, of at most {MOST_BYTES:,}")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: expected a CSV file in UTF-8 ({error})") from error
    except OSError as error:
        raise UsageError(f"{name}: cannot be read ({error.strerror or error})") from error


def _x_column(heads: Sequence[str], kind: str, name: str) -> str:
    held = [head for head in ("x", X_NAMES[kind]) if head in heads]
    if len(held) != 1 or "value" not in heads or len(set(heads)) != len(heads):
        raise UsageError(
            f"{name}: expected the columns {X_NAMES[kind]} (or x), value and, where wanted, scenario and label;"
            f" the head is {shortened(','.join(heads), 80) or 'empty'!r}"
        )
    return held[0]


def _number(text: str | None, column: str, where: str, *, infinite: bool = False) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if math.isnan(value) or (math.isinf(value) and not infinite):
        raise UsageError(f"{where}: expected a number for {column}, got {shortened(text or '', 40)!r}")
    return value


def _value(text: str | None, kind: str, where: str) -> float:
    value = _number(text, "value", where)
    if kind == "skill" and abs(value) > 1.0:
        raise UsageError(
            f"{where}: skill lies between -1 and 1, got {value:g}; a risk is laid over --kind severity or context"
        )
    return value


def overlaid(panels: Sequence[CurvePanel], curves: Sequence[OverlayCurve]) -> list[CurvePanel]:
    """Return panels with the curves that belong to them, as far as their axes reach.

    Raises UsageError when a curve belongs to no panel, or has no point between the ends of any axis.
    """
    labels = list(dict.fromkeys(curve.label for curve in curves))
    shown: set[int] = set()
    found = []
    for panel in panels:
        own = []
        for number, curve in enumerate(curves):
            if curve.scenario in ("", panel.scenario) and (points := _within(curve, panel)):
                shown.add(number)
                own.append(panel.overlay(curve.label, labels.index(curve.label), points))
        found.append(replace(panel, series=(*panel.series, *own)))
    for number, curve in enumerate(curves):
        if number not in shown:
            raise UsageError(_why_not(curve, panels))
    return found


def _within(curve: OverlayCurve, panel: CurvePanel) -> tuple[tuple[float, float], ...]:
    low, high = panel.ends
    return tuple((x, value) for x, value in curve.points if low <= x <= high)


def _why_not(curve: OverlayCurve, panels: Sequence[CurvePanel]) -> str:
    scenarios = list(dict.fromkeys(panel.scenario for panel in panels))
    if curve.scenario and curve.scenario not in scenarios:
        near = nearest(curve.scenario, scenarios)
        return f"{curve.source}: the figure has no scenario {curve.scenario!r}{near}; it has {', '.join(scenarios)}"
    low, high = curve.points[0][0], curve.points[-1][0]
    here = [panel.ends for panel in panels if curve.scenario in ("", panel.scenario)]
    return (
        f"{curve.source}: the curve {curve.label!r} goes from {low:g} to {high:g}, which no axis of the figure holds;"
        f" they go from {min(end for end, _ in here):g} to {max(end for _, end in here):g}"
    )
