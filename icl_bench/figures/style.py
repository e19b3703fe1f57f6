"""How figures look: fonts that stay text, colours that colour-blind readers and grey printers can tell apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from icl_bench.formatting import printable, shortened
from icl_bench.rendering.looks import Look

SETTINGS: dict[str, object] = {
    "pdf.fonttype": 42,  # fonts embedded as TrueType: text can be searched and edited
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "icl-bench",
    "text.usetex": False,
    "text.parse_math": False,  # a model may be called $\frac{$
    "axes.unicode_minus": True,
    "font.size": 7.0,
    "axes.titlesize": 7.0,
    "axes.labelsize": 7.0,
    "xtick.labelsize": 6.0,
    "ytick.labelsize": 6.0,
    "legend.fontsize": 6.0,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.2,
    "hatch.linewidth": 0.4,
    "savefig.dpi": 300,
    "savefig.bbox": "standard",  # the page is as wide as was asked for
    "figure.facecolor": "white",
}
"""matplotlib's settings; the font itself is the user's own."""

PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#C46A9C",
    "#C28100",
    "#2F98D0",
    "#882255",
    "#8A7A00",
    "#332288",
    "#2B908A",
    "#AA4499",
    "#661100",
)
"""Okabe and Ito, Color Universal Design (2008), then Tol's muted scheme (2021); each dark enough for a line."""
MARKERS = ("o", "s", "^", "D", "v", "P", "<", "X", ">", "p", "h")
"""As many as `icl_bench.rendering.looks` counts, as the palette has colours."""
DASHES: tuple[tuple[float, ...], ...] = ((), (4.0, 1.5), (1.2, 1.2), (5.0, 1.2, 1.2, 1.2), (7.0, 2.0))
SKILL_COLOURS = ("#E8806A", "#F4F4F2", "#5FA8DC")
"""Skill of -1, 0 and 1, as on the page (`--skill-low`, `--skill-mid`, `--skill-high` of page.css)."""
INK = "#000000"
REFERENCE_GREY = "#555555"
LIGHT_GREY = "#BBBBBB"
LONGEST_NAME = 36


@dataclass(frozen=True, slots=True)
class ModelStyle:
    """How one model is drawn."""

    colour: str
    marker: str
    dashes: tuple[float, ...]  # on and off, in line widths; empty: solid


def look(own: Look, run: int, n_runs: int) -> ModelStyle:
    """Return how a model of this look is drawn: dashes tell runs apart, of one run lines are solid."""
    dashes = DASHES[run % len(DASHES)] if n_runs > 1 else ()
    return ModelStyle(PALETTE[own.colour], MARKERS[own.mark], dashes)


def name_text(name: str) -> str:
    """Return a model's or run's name fit for a page: one line, no control characters, at most 36 characters."""
    return shortened(printable(name), LONGEST_NAME) or "(no name)"


def paler(colour: str, share: float) -> str:
    """Return a colour mixed with white, `share` of it kept."""
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(255 - share * (255 - part)):02X}" for part in parts)


def power_text(value: float, _position: object = None) -> str:
    """Return a tick of a logarithmic axis: `0.1`, `1`, `10`, else `10⁻³` in plain characters, no mathematics."""
    if value <= 0.0:
        return ""
    exponent = round(math.log10(value))
    if not math.isclose(value, 10.0**exponent, rel_tol=1e-9):
        return f"{value:.3g}"
    if -2 <= exponent <= 2:
        return f"{10.0**exponent:g}"
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def decade_ticks(low: float, high: float, at_most: int) -> list[float]:
    """Return whole decades within the limits, every second, third, ... so that there are at most `at_most`.

    An axis of less than a decade gets 1, 2 and 5 times a power of ten.
    """
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first < 1:
        fine = [digit * 10.0**power for power in range(first - 1, last + 2) for digit in (1.0, 2.0, 5.0)]
        return [tick for tick in fine if low <= tick <= high]
    step = -(-(last - first + 1) // at_most)
    start = first + (-first) % step  # ticks at multiples of the step, so that 1 is one of them
    return [10.0**power for power in range(start, last + 1, step)]


def log_limits(values: Sequence[float], floor: float | None, ceiling: float | None) -> tuple[float, float]:
    """Return limits of a logarithmic axis: all positive values, but at most seven decades from `floor` to `ceiling`.

    What lies outside is drawn as a triangle at the edge; (0.1, 10) without positive values.
    """
    smallest_shown, decades = 1e-12, 7.0  # below the first, a risk in float64 is rounding
    usable = [value for value in values if math.isfinite(value) and value > smallest_shown]
    if not usable:
        return 0.1, 10.0
    most = math.inf if ceiling is None else ceiling
    top = max((value for value in usable if value <= most), default=most)
    bottom = min(max(min(usable), top * 10.0**-decades, floor or 0.0), top)
    room = max(0.04 * math.log10(top / bottom), 0.06)
    return bottom * 10.0**-room, top * 10.0**room
