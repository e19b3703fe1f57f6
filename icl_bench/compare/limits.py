"""What a loss of one scenario and severity is held to: the least that counts, and the most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from icl_bench.arrays import Array, Array32
from icl_bench.compare.pairing import PairedPoint
from icl_bench.statistics.skill import CAP
from icl_bench.tables.loss_sets import ModelLosses
from icl_bench.tables.schema import PROMPTS

RELATIVE_FLOOR = 1e-6
"""Share of the signal that is added to both risks: below it a risk is rounding, and its changes mean nothing."""
SMALLEST_FLOOR = 1e-30


@dataclass(frozen=True, slots=True)
class Limits:
    """The floor of a point's risks, and what a loss counts up to where a mean rests on a few prompts."""

    floor: float
    typical: Array | None  # (size,) mean |f|; None where the run did not store the signal on the scale of the metric

    @classmethod
    def of(cls, read: Sequence[ModelLosses], point: PairedPoint, metric: str, signal: Sequence[str]) -> Self:
        """Return those of a point; `read` are BASE's losses, a seed each, `signal` the column of f^2, if any."""
        parts = []
        for held, paired in zip(read, point.sets, strict=True):
            for name in signal:
                if name in held.get(PROMPTS, {}):
                    columns = [paired.base.context_sizes.index(size) for size in point.sizes]
                    parts.append(np.sqrt(held[PROMPTS][name][:, columns].astype(np.float64)))
        whole = len(parts) == len(read)
        typical: Array | None = np.concatenate(parts).mean(axis=0) if parts and whole else None
        return cls(_floor(read, point, metric, signal), typical)

    def cut(self, base: Array32) -> Array:
        """Return what each loss counts up to (size,): (2 E|f|)^2, as in skill, else 4 times the typical loss of BASE.

        `base` is (prompt, size); the typical loss is the square of the mean root.
        """
        typical = np.sqrt(np.abs(base.astype(np.float64))).mean(axis=0) if self.typical is None else self.typical
        limit: Array = np.maximum(np.square(CAP * typical), SMALLEST_FLOOR)
        return limit


def _floor(read: Sequence[ModelLosses], point: PairedPoint, metric: str, signal: Sequence[str]) -> float:
    """Return what is added to the risks of a point: a millionth of the signal.

    The signal is the risk of predicting zero where it is stored, in `signal`. Else it is the median over the models of
    their risk, which neither an exact model nor one that diverges moves.
    """
    headline = [paired.base.context_sizes.index(point.headline_size) for paired in point.sets]
    signals = [
        float(held[PROMPTS][name][:, column].mean(dtype=np.float64))
        for held, column in zip(read, headline, strict=True)
        for name in signal
        if name in held.get(PROMPTS, {})
    ]
    if not signals:
        signals = [
            float(losses[metric][:, column].mean(dtype=np.float64))
            for held, column in zip(read, headline, strict=True)
            for model, losses in held.items()
            if model != PROMPTS and metric in losses
        ]
    finite = [signal for signal in signals if np.isfinite(signal)]
    return max(RELATIVE_FLOOR * float(np.median(finite)) if finite else 0.0, SMALLEST_FLOOR)
