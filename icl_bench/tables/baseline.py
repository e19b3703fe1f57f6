"""A baseline's losses: what paired comparison needs of a run, in one small table that can be committed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from icl_bench.errors import TableError
from icl_bench.files import replacing
from icl_bench.tables.loss_sets import LossSet, ModelLosses, StoredCell, StoredLosses
from icl_bench.tables.manifest import Manifest
from icl_bench.tables.parquet import as_array, open_table
from icl_bench.tables.place_fields import with_flat_place, with_place
from icl_bench.tables.schema import PROMPTS, baseline_schema

FILE = "baseline.parquet"
SETS_KEY = b"icl_bench.baseline_sets"
_REMEDY = "write the baseline again with `icl-bench compare --update`"


def write_baseline(folder: Path, losses: StoredLosses, columns: Sequence[str], sizes: Sequence[Sequence[int]]) -> None:
    """Write baseline.parquet atomically: a row per prompt set, prompt and context size, a column per model and loss.

    `sizes` holds the context sizes that are kept of each prompt set, `columns` the losses. A model without a value has
    nulls.
    """
    series = [
        (model, column)
        for model in (PROMPTS, *losses.manifest.models)
        for column in columns
        if any(column in loss_set.cells[model].tails for loss_set in losses.sets)  # what a cell has, its tails name
    ]
    kept = [_thinned(loss_set, columns, chosen) for loss_set, chosen in zip(losses.sets, sizes, strict=True)]
    header = {"series": series, "sets": [_set_fields(loss_set) for loss_set in kept]}
    schema = baseline_schema([f"{model} {column}" for model, column in series])
    with (
        replacing(folder / FILE) as temporary,
        pq.ParquetWriter(
            temporary,
            schema,
            compression="zstd",
            use_dictionary=schema.names[:3],
            column_encoding=dict.fromkeys(schema.names[3:], "BYTE_STREAM_SPLIT"),
            write_page_checksum=True,
            write_statistics=False,
        ) as writer,
    ):
        for number, (loss_set, thin) in enumerate(zip(losses.sets, kept, strict=True)):
            found = losses.read(loss_set, columns, thin.context_sizes)
            parts = [found.get(model, {}).get(column) for model, column in series]
            writer.write_table(_rows(number, thin, parts, schema))
        writer.add_key_value_metadata({SETS_KEY: json.dumps(header).encode()})  # in the schema it would be stored twice


def _thinned(loss_set: LossSet, columns: Sequence[str], sizes: Sequence[int]) -> LossSet:
    positions = [loss_set.context_sizes.index(size) for size in sizes]

    def cell(full: StoredCell) -> StoredCell:
        tails = {name: full.tails[name] for name in columns if name in full.tails}
        return dataclasses.replace(
            full,
            absent={name: full.absent[name] for name in columns if name in full.absent},
            tails={name: tuple(tail[position] for position in positions) for name, tail in tails.items()},
        )

    cells = {model: cell(full) for model, full in loss_set.cells.items()}
    return dataclasses.replace(loss_set, context_sizes=tuple(sizes), cells=cells)


def _rows(number: int, loss_set: LossSet, parts: Sequence[NDArray[np.float32] | None], schema: pa.Schema) -> pa.Table:
    width = len(loss_set.context_sizes)
    rows = loss_set.n_prompts * width
    arrays = [
        pa.array(np.full(rows, number, dtype=np.int32)),
        pa.array(np.repeat(np.arange(loss_set.n_prompts), width)),
        pa.array(np.tile(np.asarray(loss_set.context_sizes, dtype=np.int32), loss_set.n_prompts)),
    ]
    for values in parts:
        arrays.append(
            pa.nulls(rows, pa.float32()) if values is None else pa.array(np.ascontiguousarray(values).ravel())
        )
    return pa.table(arrays, schema=schema)


class BaselineLosses:
    """Losses of a baseline folder."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self._path = folder / FILE
        metadata = open_table(self._path).metadata.metadata
        try:
            header: dict[str, Any] = json.loads(metadata[SETS_KEY])
            self._series = [(model, column) for model, column in header["series"]]
            self.sets = tuple(_loss_set(fields) for fields in header["sets"])
        except (KeyError, ValueError, TypeError) as error:
            raise TableError(f"{self._path} is not a baseline of icl-bench, or damaged ({error}); {_REMEDY}") from error

    def read(self, loss_set: LossSet, columns: Sequence[str], sizes: Sequence[int] | None = None) -> ModelLosses:
        """Return the losses on one of `sets` at `sizes` (all context sizes by default).

        Models that are not ok and absent columns are left out.
        """
        wanted = [
            (number, model, column)
            for number, (model, column) in enumerate(self._series)
            if column in columns and loss_set.cells[model].status == "ok"
        ]
        shape, positions = (loss_set.n_prompts, len(loss_set.context_sizes)), loss_set.positions(sizes)
        found: ModelLosses = {model: {} for model, cell in loss_set.cells.items() if cell.status == "ok"}
        try:
            file = open_table(self._path)
            names = file.schema_arrow.names[3:]
            table = file.read_row_group(self.sets.index(loss_set), columns=[names[number] for number, _, _ in wanted])
            for number, model, column in wanted:
                values = table.column(names[number])
                if values.null_count == 0:
                    found[model][column] = as_array(values).reshape(shape)[:, positions]
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise TableError(f"{self._path} is damaged ({error}); {_REMEDY}") from error
        return found


def _set_fields(loss_set: LossSet) -> dict[str, Any]:
    return with_flat_place({**dataclasses.asdict(loss_set), "place": loss_set.place})


def _loss_set(fields: Mapping[str, Any]) -> LossSet:
    cells = {
        model: StoredCell(**{**cell, "tails": {name: tuple(tail) for name, tail in cell["tails"].items()}})
        for model, cell in fields["cells"].items()
    }
    tuples = {name: tuple(fields[name]) for name in ("context_sizes", "digests")}
    return LossSet(**with_place({**fields, **tuples, "cells": cells}))
