"""A curve per model drawn with letters, so that it reads without colour; log scale upwards, context size along."""

from __future__ import annotations

import itertools
import math
import string
from collections.abc import Sequence
from dataclasses import dataclass

from icl_bench.scores.curves import Curve, CurvePoint, Line

HEIGHT = 16  # rows of the plotted area
BAYES = "*"
DECADES_BELOW, DECADES_ABOVE = 6.0, 3.0
"""The scale reaches no further from the zero predictor's risk than this; what lies beyond is drawn at the edge."""


@dataclass(frozen=True, slots=True)
class Character:
    """One character of a chart; `line` is the index of the curve it belongs to, None for axes."""

    text: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn curve: rows of marks, and the letter of each line."""

    rows: tuple[tuple[Character, ...], ...]
    letters: tuple[str, ...]  # of curve.lines, in order
    notes: tuple[str, ...]  # what the marks mean


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float  # log10
    high: float
    sizes: tuple[int, ...]
    width: int

    def row(self, value: float) -> int:
        """Return the row of a value, 0 at the top."""
        level = -math.inf if value <= 0.0 else math.log10(value)
        share = (min(max(level, self.low), self.high) - self.low) / (self.high - self.low)
        return round((1.0 - share) * (HEIGHT - 1))

    def column(self, size: float) -> int:
        """Return the column of a context size."""
        first, last = self.sizes[0], self.sizes[-1]
        return round((size - first) / max(1, last - first) * (self.width - 1))


def letters(lines: Sequence[Line]) -> tuple[str, ...]:
    """Return each line's letter: `*` for Bayes, capitals for models, `?` for a 27th model and beyond."""
    names = iter(string.ascii_uppercase)
    return tuple(BAYES if line.model is None else next(names, "?") for line in lines)


def draw(curve: Curve, width: int) -> Chart:
    """Return a curve drawn in `width` characters: capitals at means, small letters at medians, dots between."""
    margin = 8
    scale = _scale(curve, width - margin)
    canvas = [[Character(" ") for _ in range(scale.width)] for _ in range(HEIGHT)]
    for column in range(scale.width):
        canvas[scale.row(1.0)][column] = Character("-")
    names = letters(curve.lines)
    order = [index for index, line in enumerate(curve.lines) if line.model is not None]
    order += [index for index, line in enumerate(curve.lines) if line.model is None]  # Bayes on top
    for index in order:
        _dots(canvas, scale, curve.lines[index].points, index)
    for index in order:
        for point in curve.lines[index].points:
            text = names[index].lower() if point.kind == "median" else names[index]
            canvas[scale.row(point.value)][scale.column(point.size)] = Character(text, index)
    return Chart(tuple(_framed(canvas, scale, margin)), names, _notes(curve, scale))


def _notes(curve: Curve, scale: _Scale) -> tuple[str, ...]:
    points = [point for line in curve.lines for point in line.points]
    notes = ["--- predicting zero", "where letters meet, the last is seen"]
    if any(point.kind == "median" for point in points):
        notes.append("small letters: median, where no mean exists")
    low, high = 10**scale.low * 0.999, 10**scale.high * 1.001  # a little room for rounding
    if any(not low <= point.value <= high for point in points):
        notes.append("what lies beyond the scale is drawn at its edge")
    return tuple(notes)


def _scale(curve: Curve, width: int) -> _Scale:
    points = [point for line in curve.lines for point in line.points]
    levels = [math.log10(point.value) for point in points if point.value > 0.0]
    low = max(min([*levels, -0.5]), -DECADES_BELOW)
    high = min(max([*levels, 0.0]), DECADES_ABOVE)
    return _Scale(low, high, tuple(sorted({point.size for point in points})), width)


def _dots(canvas: list[list[Character]], scale: _Scale, points: Sequence[CurvePoint], index: int) -> None:
    """Join neighbouring points by dots, straight on the log scale."""
    for left, right in itertools.pairwise(points):
        if left.value <= 0.0 or right.value <= 0.0:
            continue
        first, last = scale.column(left.size), scale.column(right.size)
        for column in range(first + 1, last):
            share = (column - first) / (last - first)
            level = (1.0 - share) * math.log10(left.value) + share * math.log10(right.value)
            if canvas[scale.row(10**level)][column].text in " -":
                canvas[scale.row(10**level)][column] = Character("·", index)


def _tick(value: float) -> str:
    return f"{value:.0f}" if value >= 1.0 else f"{value:.2g}"


def _framed(canvas: list[list[Character]], scale: _Scale, margin: int) -> list[tuple[Character, ...]]:
    """Add the value axis on the left and the context sizes below."""
    ticks = {scale.row(10.0**power): 10.0**power for power in range(math.ceil(scale.low), math.floor(scale.high) + 1)}
    ticks.setdefault(0, 10.0**scale.high)
    ticks.setdefault(HEIGHT - 1, 10.0**scale.low)
    rows = []
    for number, row in enumerate(canvas):
        label = _tick(ticks[number]) if number in ticks else ""
        rows.append((*(Character(character) for character in f"{label:>{margin - 1}}|"), *row))
    below = [" "] * scale.width
    free = 0
    for size in scale.sizes:
        text = str(size)
        start = min(max(0, scale.column(size) - len(text) // 2), scale.width - len(text))
        if start >= free:
            below[start : start + len(text)] = text
            free = start + len(text) + 1
    rows.append(tuple(Character(character) for character in " " * (margin - 1) + "+" + "-" * scale.width))
    rows.append(tuple(Character(character) for character in " " * margin + "".join(below)))
    return rows
