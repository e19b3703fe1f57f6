"""A user's own curves from a CSV file (theory, an exact risk), to be laid over a figure: read, every row checked."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from icl_bench.errors import UsageError
from icl_bench.formatting import printable, shortened
from icl_bench.names import nearest

LARGEST_BYTES = 4_000_000
X_NAMES = {"skill": "severity", "severity": "severity", "context": "context_size"}
"""Kind of figure -> what `x` is, and may be called."""
LONGEST_QUOTE = 60


@dataclass(frozen=True, slots=True)
class OverlayCurve:
    """The rows of one label that go to the same panels."""

    source: str  # the file as it was named, for messages
    label: str
    scenario: str  # a scenario, or a panel as the figure names it; empty: every panel
    severity: str  # figures of single severities: the one; empty: all of the scenario
    points: tuple[tuple[float, float], ...]  # (x, value), ascending, each x once

    @property
    def told(self) -> str:
        """What the curve is called in messages."""
        where = " ".join(part for part in (self.scenario, self.severity) if part)
        return f"--overlay {self.source}: the curve {self.label!r}" + (f" of {where}" if where else "")


def read_overlays(paths: Sequence[Path], kind: str) -> tuple[OverlayCurve, ...]:
    """Return the curves of all files in their order; UsageError says what was expected, what came and what to do."""
    found: list[OverlayCurve] = []
    for path in paths:
        curves = _Reader(path, kind).curves()
        for label in (curve.label for curve in curves):
            before = next((curve.source for curve in found if curve.label == label), None)
            if before is not None:
                raise UsageError(
                    f"--overlay {path}: expected a label that no other file has, got {label!r}, which {before} has too;"
                    " give another in a column `label`"
                )
        found += curves
    return tuple(found)


class _Reader:
    """One file."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        self.x_name = X_NAMES[kind]
        self.places = ("scenario", "severity") if kind == "context" else ("scenario",)

    def curves(self) -> tuple[OverlayCurve, ...]:
        """Return the curves in the order of their first rows."""
        lines: dict[tuple[str, str, str], dict[float, tuple[float, int]]] = {}
        for number, row in self._rows():
            x = self._number(row, "x", number)
            value = self._number(row, "value", number)
            label = row.get("label") or self.path.stem
            key = (label, row.get("scenario", ""), row.get("severity", ""))
            points = lines.setdefault(key, {})
            if x in points:
                self._refuse(
                    f"expected each {self.x_name} once a curve, got {x:g} again (first in line {points[x][1]});"
                    " give the rows of another curve another `label` or `scenario`",
                    number,
                )
            points[x] = (value, number)
        if not lines:
            self._refuse("expected a row for each point of a curve, got none below the names of the columns")
        return tuple(
            OverlayCurve(str(self.path), *key, tuple((x, value) for x, (value, _) in sorted(points.items())))
            for key, points in lines.items()
        )

    def _rows(self) -> Iterator[tuple[int, Mapping[str, str]]]:
        """Yield line numbers and rows: column -> text without space around it."""
        reader = csv.reader(io.StringIO(self._text(), newline=""), strict=True)
        try:
            names = self._columns(next(reader, []))
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(names):
                    self._refuse(f"expected {len(names)} cells, got {len(cells)}", reader.line_num)
                yield reader.line_num, dict(zip(names, (cell.strip() for cell in cells), strict=True))
        except csv.Error as error:
            self._refuse(f"expected CSV, got {error}", reader.line_num)

    def _text(self) -> str:
        try:
            with self.path.open("rb") as file:
                content = file.read(LARGEST_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            self._refuse(f"expected a CSV file, but it cannot be read: {reason}")
        if len(content) > LARGEST_BYTES:
            self._refuse(f"expected at most {LARGEST_BYTES // 1_000_000} MB, got more; a few hundred rows draw a curve")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self._refuse(f"expected UTF-8, got other bytes at {error.start}; save the file as UTF-8")

    def _columns(self, header: Sequence[str]) -> list[str]:
        """Return the columns' names, that of x as `x`."""
        known = ("x", self.x_name, "value", "label", *self.places)
        names = [name.strip() for name in header]
        wanted = (
            f"expected the columns x (or {self.x_name}) and value, and perhaps {', '.join((*self.places, 'label'))}"
        )
        got = f"got {_quoted(', '.join(names)) if names else 'an empty file'}"
        for name in names:
            if name not in known:
                self._refuse(f"{wanted}; {_quoted(name)} is none of them{nearest(name, known)}; {got}", 1)
        own = ["x" if name == self.x_name else name for name in names]
        if len(set(own)) < len(own) or not {"x", "value"} <= set(own):
            self._refuse(f"{wanted}{', each once' if names else ''}; {got}", 1 if names else None)
        return own

    def _number(self, row: Mapping[str, str], name: str, line: int) -> float:
        text = row[name]
        try:
            number = float(text.replace("∞", "inf").replace("−", "-"))  # as figures write them
        except ValueError:
            number = math.nan
        what = self.x_name if name == "x" else name
        if name == "x" and self.x_name == "severity":
            if math.isnan(number):
                self._refuse(f"expected a number as {what}, got {_quoted(text)}", line)
        elif not math.isfinite(number) or (name == "x" and number < 0.0):
            few = "finite number, 0 or more," if name == "x" else "finite number"
            self._refuse(f"expected a {few} as {what}, got {_quoted(text)}; leave out rows without one", line)
        return number

    def _refuse(self, problem: str, line: int | None = None) -> NoReturn:
        raise UsageError(f"--overlay {self.path}{'' if line is None else f', line {line}'}: {problem}")


def _quoted(text: str) -> str:
    return repr(shortened(printable(text), LONGEST_QUOTE))
