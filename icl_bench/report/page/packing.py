"""Curves as small whole numbers that compress well: a quarter of a million points with intervals fit in a megabyte."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from icl_bench.arrays import Array, Flags
from icl_bench.report.page.risks import Interval

VALUE_STEPS = 2000
"""Steps a decade: a value is kept to within 0.06%."""
REACH_STEPS = 50
"""Steps a decade of how far an interval reaches, as a share of the value: kept to within 2.4%."""
ZERO_CODE = -60000
"""Stands for 0; the smallest value that is kept is 1e-30."""
LINEAR_STEPS = 1 << 20
"""Where a value is negative, all are kept in as many equal steps as reach from 0 to the largest in size."""
ZERO_REACH = -500


def packed(curves: Interval, sizes: tuple[int, ...]) -> dict[str, Any]:
    """Return curves of shape (point, line, size) as lists of differences along the size, None where there is no number.

    Logarithms are kept unless a value is negative; then `step` is the size of a whole step of values and reaches.
    `sizes[point]` are the context sizes of a point; `value[point][line]` holds a code for each of them; `up` is kept
    only where it differs from `down`. Page's reader: `unpacked` in data.js.
    """
    present = ~np.isnan(curves.value)
    kept = [np.flatnonzero(present[point].any(axis=0)) for point in range(present.shape[0])]
    step = _step(curves)
    if step is None:
        value = _codes(curves.value)
        down = _reaches(curves.value, curves.value - curves.low)
        up = _reaches(curves.value, curves.high - curves.value)
    else:
        reaches = (curves.value - curves.low, curves.high - curves.value)
        value, down, up = (np.rint(numbers / step) for numbers in (curves.value, *reaches))
    same = (down == up) | (np.isnan(down) & np.isnan(up))
    return {
        "step": step,
        "sizes": [[sizes[index] for index in indices] for indices in kept],
        "value": [_lines(value[point][:, indices]) for point, indices in enumerate(kept)],
        "down": [_lines(down[point][:, indices]) for point, indices in enumerate(kept)],
        "up": [_unless(same[point][:, indices], up[point][:, indices]) for point, indices in enumerate(kept)],
        "median": [
            [np.flatnonzero(line[indices]).tolist() for line in curves.median[point]]
            for point, indices in enumerate(kept)
        ],
    }


def _step(curves: Interval) -> float | None:
    """Return the size of a step where values are kept as they are, None where their logarithms are."""
    if not (curves.value < 0.0).any():
        return None
    return float(np.nanmax(np.abs(curves.value))) / LINEAR_STEPS


def _codes(values: Array) -> Array:
    """Return values as whole steps of their logarithm; nan stays."""
    with np.errstate(divide="ignore", invalid="ignore"):
        codes = np.rint(VALUE_STEPS * np.log10(values))
    return np.where(values <= 0.0, ZERO_CODE, np.maximum(codes, ZERO_CODE))


def _reaches(values: Array, reach: Array) -> Array:
    """Return how far intervals reach from their values as whole steps of the logarithm of the share; nan stays."""
    with np.errstate(divide="ignore", invalid="ignore"):
        codes = np.rint(REACH_STEPS * np.log10(reach / values))
    none = (reach <= 0.0) | (values <= 0.0)
    return np.where(none & ~np.isnan(reach), ZERO_REACH, np.maximum(codes, ZERO_REACH))


def _lines(codes: Array) -> list[list[int | None]]:
    """Return every line as its first code and the differences between the codes that follow, skipping nan."""
    if not np.isnan(codes).any():
        return np.diff(codes, axis=1, prepend=0.0).astype(np.int64).tolist()  # type: ignore[no-any-return]
    return [_line(line) for line in codes.tolist()]


def _unless(same: Flags, codes: Array) -> list[list[int | None] | None]:
    """Return `_lines` of those that are not the same throughout, None for the others."""
    kept = np.flatnonzero(~same.all(axis=1))
    own = dict(zip(kept.tolist(), _lines(codes[kept]), strict=True))
    return [own.get(number) for number in range(len(codes))]


def _line(codes: list[float]) -> list[int | None]:
    """Return one line of `_lines`; numpy takes longer for so few."""
    steps: list[int | None] = []
    before = 0.0
    for code in codes:
        if math.isnan(code):
            steps.append(None)
        else:
            steps.append(int(code - before))
            before = code
    return steps
