"""The losses of a run, a prompt set at a time, from its units: one file per block of 256 prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icl_bench.errors import TableError
from icl_bench.places import Place
from icl_bench.tables.loss_sets import LossSet, ModelLosses, StoredCell
from icl_bench.tables.manifest import Manifest
from icl_bench.tables.schema import LOOKED_UP, PROMPTS, WORST_FIRST
from icl_bench.tables.score_table import read_looked_up
from icl_bench.tables.units import Stored, UnitHeader, in_memory, read_header, read_unit


class UnitLosses:
    """Losses of a run: one file per block. Which cells were looked up stands in its scores."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        paths = sorted((folder / "losses").glob("*.parquet"))
        if not paths:
            raise TableError(f"no losses in {folder / 'losses'}; run the suite again into {folder}")
        blocks: dict[tuple[Place, int], dict[int, dict[str, Stored]]] = {}
        for path in paths:
            header = in_memory(read_header(path))
            if header.run_digest != manifest.run_digest:
                raise TableError(f"{path} belongs to another run than {folder}: remove it, or run the suite again")
            held = blocks.setdefault((header.place, header.seed), {}).setdefault(header.block, {})
            for stored in _current(path, header, manifest):
                earlier = held.get(stored.outcome.model)
                if earlier is None or earlier.outcome.status in ("error", "timeout"):
                    held[stored.outcome.model] = stored
        self._blocks = {key: held for key, held in blocks.items() if any(held.values())}
        known = {label: index for index, label in enumerate(manifest.scenarios)}

        def in_suite(key: tuple[Place, int]) -> tuple[Any, ...]:
            place, seed = key
            return (known.get(place.scenario, len(known)), place.scenario, place.order, seed)

        order = sorted(self._blocks, key=in_suite)
        looked_up = read_looked_up(folder / "scores.parquet")
        sets = (_loss_set(self._blocks[key], tuple(manifest.models)) for key in order)
        self.sets = tuple(_with_looked_up(loss_set, looked_up) for loss_set in sets)

    def read(self, loss_set: LossSet, columns: Sequence[str], sizes: Sequence[int] | None = None) -> ModelLosses:
        """Return the losses on one of `sets` at `sizes` (all context sizes by default).

        Models that are not ok and absent columns are left out.
        """
        wanted = [model for model, cell in loss_set.cells.items() if cell.status == "ok"]
        parts: dict[str, dict[str, list[NDArray[np.float32]]]] = {model: {} for model in wanted}
        held = self._blocks[loss_set.key]
        positions = loss_set.positions(sizes)
        for block in sorted(held):
            by_path: dict[Path, list[Stored]] = {}
            for model in wanted:
                by_path.setdefault(held[block][model].path, []).append(held[block][model])
            for path, stored in by_path.items():
                models = [item.outcome.model for item in stored]
                for model, losses in read_unit(path, stored[0].header, models, columns):
                    for name, values in losses.items():
                        parts[model].setdefault(name, []).append(values[:, positions])
        return {
            model: {name: np.concatenate(arrays) for name, arrays in found.items() if len(arrays) == len(held)}
            for model, found in parts.items()  # a column that one block lacks is absent from all
        }


def _current(path: Path, header: UnitHeader, manifest: Manifest) -> Iterator[Stored]:
    """Yield the outcomes of a unit that belong to models as the manifest defines them."""
    for outcome in header.outcomes:
        if outcome.model == PROMPTS or manifest.models.get(outcome.model) == outcome.model_digest:
            yield Stored(path, header, outcome)


def _loss_set(held: Mapping[int, Mapping[str, Stored]], models: Sequence[str]) -> LossSet:
    headers = [next(iter(held[block].values())).header for block in sorted(held)]
    first = headers[0]
    return LossSet(
        place=first.place,
        seed=first.seed,
        n_prompts=sum(header.n_prompts for header in headers),
        context_sizes=first.context_sizes,
        headline_size=first.headline_size,
        cluster_size=first.cluster_size,
        digests=tuple(header.prompt_digest for header in headers),
        cells={model: _cell([held[block].get(model) for block in sorted(held)]) for model in (PROMPTS, *models)},
    )


def _with_looked_up(loss_set: LossSet, messages: Mapping[tuple[str, int, str], str]) -> LossSet:
    """Return the set, its cells that were answered and are known to be looked up under that status."""
    here = (loss_set.place.name, loss_set.seed)
    found = {
        model: replace(cell, status=LOOKED_UP, message=messages[(*here, model)])
        for model, cell in loss_set.cells.items()
        if cell.status == "ok" and (*here, model) in messages
    }
    return replace(loss_set, cells={**loss_set.cells, **found}) if found else loss_set


def _cell(blocks: Sequence[Stored | None]) -> StoredCell:
    """Return what became of a model on a whole prompt set: the worst of its blocks."""
    found = [stored.outcome for stored in blocks if stored is not None]
    if not found:
        return StoredCell("missing", "no row in the tables: the cell was not run")
    worst = min(found, key=lambda outcome: WORST_FIRST.index(outcome.status))
    if len(found) < len(blocks) and worst.status in ("ok", "skipped"):
        return StoredCell("missing", f"{len(blocks) - len(found)} of {len(blocks)} blocks were not run")
    absent = {name: reason for outcome in found for name, reason in outcome.absent.items()}
    return StoredCell(worst.status, worst.message, absent, found[0].tails)
