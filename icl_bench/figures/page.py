"""The page of a figure: a grid of panels with a key below, and the file it is written to."""

from __future__ import annotations

import io
import itertools
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from icl_bench.errors import UsageError
from icl_bench.figures.request import Request
from icl_bench.files import replacing
from icl_bench.formatting import printable, shortened

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS = 120
TITLE_CHARACTER_INCHES, SMALL_CHARACTER_INCHES = 0.058, 0.048
SMALL_POINTS = 6.0


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel, and where on the page it stands."""

    axes: Axes
    is_left: bool  # at the left edge
    is_lowest: bool  # no panel of its group stands below


@dataclass(frozen=True, slots=True)
class Panels:
    """Panels row by row, and the figure that they are on."""

    figure: Figure
    panels: tuple[Panel, ...]
    panel_width: float  # of the inside, about, in inches


@dataclass(frozen=True, slots=True)
class Key:
    """The entries of a figure's key."""

    handles: tuple[Artist, ...]
    texts: tuple[str, ...]


def panel_grid(
    request: Request, groups: Sequence[int], panel_width: float, panel_height: float, margin: float, **shared: Any
) -> Panels:
    """Return a figure with groups of this many panels, each group from a new row on, as many columns as inches allow.

    `margin` is what stands at the left of the first column, in inches; `shared` is said of axes that panels share.
    Raises UsageError when there are too many panels to read.
    """
    from matplotlib.figure import Figure

    if sum(groups) > MOST_PANELS:
        raise UsageError(
            f"a figure of {sum(groups)} panels cannot be read (at most {MOST_PANELS}):"
            " choose some with --scenarios and --severity"
        )
    widest = max(1, min(max(groups), int((request.width - margin) / panel_width)))
    rows = [-(-count // widest) for count in groups]
    n_columns = max(-(-count // n_rows) for count, n_rows in zip(groups, rows, strict=True))
    figure = Figure(figsize=(request.width, sum(rows) * panel_height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.02, hspace=0.02)  # type: ignore[union-attr, call-arg]
    axes = figure.subplots(sum(rows), n_columns, squeeze=False, **shared)
    panels: list[Panel] = []
    for start, count, n_rows in zip(itertools.accumulate([0, *rows]), groups, rows, strict=False):
        for number in range(n_rows * n_columns):
            place = axes[start + number // n_columns, number % n_columns]
            if number < count:
                panels.append(Panel(place, number % n_columns == 0, number + n_columns >= count))
            else:
                place.remove()
    return Panels(figure, tuple(panels), (request.width - margin) / n_columns - 0.15)


def label_panel(axes: Axes, text: str, width: float) -> None:
    """Write what a panel shows above its left edge, in as many lines as its width (inches) takes."""
    axes.set_title(_in_lines(text, width, TITLE_CHARACTER_INCHES), loc="left", pad=4.0)


def name_below(axes: Axes, text: str, width: float) -> None:
    """Write what the horizontal axis is below a panel, in as many lines as its width (inches) takes."""
    axes.set_xlabel(_in_lines(text, width, SMALL_CHARACTER_INCHES), labelpad=1.5, fontsize=SMALL_POINTS)


def _in_lines(text: str, width: float, character: float) -> str:
    at_most = max(8, int(width / character))
    lines = [""]
    for piece in re.split(r"(?<=[ /])", printable(text)):
        if lines[-1] and len(lines[-1] + piece.rstrip()) > at_most:
            lines.append("")
        lines[-1] += piece
    return "\n".join(shortened(line.rstrip(), at_most) for line in lines)


def add_key(figure: Figure, key: Key) -> float:
    """Put the key below all panels, in as many columns as fit; return its height in inches."""
    if not key.handles:
        return 0.0
    for n_columns in range(min(len(key.handles), 6), 0, -1):
        placeholders = [f"entry {number}" for number in range(len(key.handles))]  # a name may begin with _
        legend = figure.legend(
            list(key.handles),
            placeholders,
            loc="outside lower center",
            ncols=n_columns,
            frameon=False,
            handlelength=2.4,
            columnspacing=1.0,
            labelspacing=0.35,
            borderaxespad=0.2,
        )
        for text, wanted in zip(legend.get_texts(), key.texts, strict=True):
            text.set_text(wanted)
        box = legend.get_window_extent()
        if box.width / figure.dpi <= figure.get_figwidth() - 0.15 or n_columns == 1:
            break
        legend.remove()
    return float(box.height / figure.dpi)


def finish(request: Request, figure: Figure, key: Key) -> Figure:
    """Add the key, give the figure its height, and return it."""
    height = figure.get_figheight() + add_key(figure, key) + 0.1
    figure.set_figheight(height if request.height is None else request.height)
    return figure


def write_figure(figure: Figure, out: Path) -> None:
    """Write the figure to its file, whole or not at all; the same figure gives the same bytes.

    Raises UsageError when the page is too small for what is on it, OutputError when the disk refuses.
    """
    suffix = out.suffix.lower()
    metadata: dict[str, Any] = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}.get(suffix, {})
    written = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="constrained_layout not applied")
        try:
            figure.savefig(written, format=suffix[1:], metadata=metadata or None)
        except UserWarning as error:
            raise UsageError(
                f"{figure.get_figwidth():g} x {figure.get_figheight():.3g} inches are too small for this figure:"
                " give more --width or --height, or choose fewer --models or --scenarios"
            ) from error
    with replacing(out) as temporary:
        temporary.write_bytes(_undated(written.getvalue()) if suffix == ".eps" else written.getvalue())


def _undated(postscript: bytes) -> bytes:
    """Return PostScript without the line that says when it was made."""
    return re.sub(rb"^%%CreationDate:[^\n]*\n", b"", postscript, count=1, flags=re.MULTILINE)
