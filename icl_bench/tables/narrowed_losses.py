"""A part of stored losses: what was left out looks as if it had never been run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from icl_bench.tables.loss_sets import LossSet, ModelLosses, StoredCell, StoredLosses
from icl_bench.tables.schema import PROMPTS

_LEFT_OUT = StoredCell("missing", "left out: the comparison was narrowed")


class NarrowedLosses:
    """The losses of some models on some scenarios of a run or baseline; the prompts' own stay."""

    def __init__(self, whole: StoredLosses, models: Collection[str], scenarios: Collection[str]) -> None:
        self.folder, self.manifest, self._whole = whole.folder, whole.manifest, whole
        self._sets = {loss_set.key: loss_set for loss_set in whole.sets}
        self.sets = tuple(
            _narrowed(loss_set, models) for loss_set in whole.sets if loss_set.place.scenario in scenarios
        )

    def read(self, loss_set: LossSet, columns: Sequence[str], sizes: Sequence[int] | None = None) -> ModelLosses:
        """Return the losses on one of `sets` at `sizes` (all context sizes by default), as the whole would."""
        found = self._whole.read(self._sets[loss_set.key], columns, sizes)
        return {model: losses for model, losses in found.items() if loss_set.cells[model].status == "ok"}


def _narrowed(loss_set: LossSet, models: Collection[str]) -> LossSet:
    cells = {
        model: cell if model == PROMPTS or model in models else _LEFT_OUT for model, cell in loss_set.cells.items()
    }
    return replace(loss_set, cells=cells)
