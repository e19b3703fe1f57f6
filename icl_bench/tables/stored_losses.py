"""The losses that lie in a folder, be it a run or a baseline."""

from __future__ import annotations

from pathlib import Path

from icl_bench.tables.baseline import BaselineLosses
from icl_bench.tables.loss_sets import StoredLosses
from icl_bench.tables.manifest import BASELINE, read_manifest
from icl_bench.tables.unit_losses import UnitLosses


def open_losses(folder: Path) -> StoredLosses:
    """Return the losses of a run or baseline folder, read no further than their headers.

    Raises TableError when there are none or one is damaged or foreign, NotComparableError when they are newer.
    """
    manifest = read_manifest(folder)
    return BaselineLosses(folder, manifest) if manifest.kind == BASELINE else UnitLosses(folder, manifest)
