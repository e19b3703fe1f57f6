"""Units of losses: one file per block of 256 prompts, a row group per model that answered."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from icl_bench.errors import TableError
from icl_bench.files import replacing
from icl_bench.places import Place
from icl_bench.seeding import BLOCK_SIZE
from icl_bench.tables.parquet import as_array, open_table
from icl_bench.tables.place_fields import with_flat_place, with_place
from icl_bench.tables.schema import losses_schema

UNIT_KEY = b"icl_bench.unit"
UNIT_CHECK_KEY = b"icl_bench.unit_check"
"""Digest of the header: Parquet check-sums its pages, not its metadata."""


@dataclass(frozen=True, slots=True)
class ModelOutcome:
    """What became of one model on one block."""

    model: str
    model_digest: str  # of the model's definition: a changed model is asked again
    status: str  # ok | error | timeout | nan | skipped (looked_up is judged of whole cells, later)
    message: str
    seconds: float | None  # None when the model did not answer
    absent: Mapping[str, str]  # loss column -> why it has no value
    tails: Mapping[str, tuple[float | None, ...]]  # loss column -> tail index at each context size


@dataclass(frozen=True, slots=True)
class UnitHeader:
    """What a unit holds, kept in the file's own metadata: one block of one place and seed."""

    run_digest: str
    prompt_digest: str
    place: Place
    seed: int
    block: int
    n_prompts: int
    context_sizes: tuple[int, ...]
    headline_size: int  # the context size that summaries show
    cluster_size: int | None  # prompts that share a random part; None: all of the seed
    columns: tuple[str, ...]
    outcomes: tuple[ModelOutcome, ...]  # in the order of the row groups; only `ok` ones have one
    skipped: tuple[tuple[int, str], ...] = ()  # context sizes that the law cannot have, and why


def in_memory(header: UnitHeader) -> UnitHeader:
    """Return what a run keeps in memory of a unit: tail indices of the first block alone, which speak for all.

    They are most of a header, and the memory of a run must not grow with its prompts.
    """
    if header.block == 0:
        return header
    return dataclasses.replace(
        header, outcomes=tuple(dataclasses.replace(outcome, tails={}) for outcome in header.outcomes)
    )


@dataclass(frozen=True, slots=True)
class Unit:
    """One block's losses: for each model with status ok, its columns."""

    header: UnitHeader
    losses: Mapping[str, Mapping[str, NDArray[np.float32]]]  # model -> column -> (prompt, size)


@dataclass(frozen=True, slots=True)
class Stored:
    """One model's losses on one block, where they lie."""

    path: Path
    header: UnitHeader
    outcome: ModelOutcome


def _header_json(header: UnitHeader) -> bytes:
    def fields(part: Any) -> dict[str, Any]:  # as dataclasses.asdict, without its copies of every number
        return {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}

    return json.dumps(with_flat_place(fields(header)), default=fields).encode()


def _check(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).hexdigest().encode()


def _header_from(text: bytes) -> UnitHeader:
    fields = with_place(json.loads(text))
    outcomes = tuple(
        ModelOutcome(**{**item, "tails": {name: tuple(tail) for name, tail in item["tails"].items()}})
        for item in fields.pop("outcomes")
    )
    for name in ("context_sizes", "columns"):
        fields[name] = tuple(fields[name])
    fields["skipped"] = tuple((size, reason) for size, reason in fields.get("skipped", ()))
    return UnitHeader(**fields, outcomes=outcomes)


def write_unit(path: Path, unit: Unit) -> None:
    """Write one unit atomically, one row group per model, pages check-summed."""
    header = unit.header
    schema = losses_schema(header.columns)
    text = _header_json(header)
    described = schema.with_metadata({**schema.metadata, UNIT_KEY: text, UNIT_CHECK_KEY: _check(text)})
    keys = _key_columns(header)
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(
            temporary,
            described,
            compression="none",
            use_dictionary=[*keys, "model"],
            write_page_checksum=True,
            write_statistics=False,
        ) as writer,
    ):
        for model, losses in unit.losses.items():
            writer.write_table(_loss_table(header, model, losses, keys, described))


def _key_columns(header: UnitHeader) -> dict[str, pa.Array]:
    """Return the columns that are the same for every model of a unit."""
    sizes = np.asarray(header.context_sizes, dtype=np.int32)
    rows = header.n_prompts * len(sizes)
    first = header.block * BLOCK_SIZE
    return {
        "scenario": _constant(header.place.scenario, rows),
        "severity": pa.nulls(rows, pa.float64())
        if header.place.severity is None
        else pa.array(np.full(rows, header.place.severity)),
        "severity_label": _constant(header.place.label, rows),
        "seed": pa.array(np.full(rows, header.seed, dtype=np.int64)),
        "prompt": pa.array(np.repeat(np.arange(first, first + header.n_prompts), len(sizes))),
        "context_size": pa.array(np.tile(sizes, header.n_prompts)),
    }


def _loss_table(
    header: UnitHeader,
    model: str,
    losses: Mapping[str, NDArray[np.float32]],
    keys: Mapping[str, pa.Array],
    schema: pa.Schema,
) -> pa.Table:
    rows = header.n_prompts * len(header.context_sizes)
    columns = {**keys, "model": _constant(model, rows)}
    for name in header.columns:
        values = losses.get(name)
        columns[name] = (
            pa.nulls(rows, pa.float32())
            if values is None
            else pa.array(np.ascontiguousarray(values, dtype=np.float32).ravel())
        )
    return pa.table(columns, schema=schema)


def _constant(text: str, rows: int) -> pa.Array:
    """Return `text`, `rows` times over, from its buffers: far quicker than from strings."""
    raw = text.encode()
    ends = pa.py_buffer(np.arange(rows + 1, dtype=np.int32) * len(raw))
    return pa.StringArray.from_buffers(rows, ends, pa.py_buffer(raw * rows))


def read_header(path: Path) -> UnitHeader:
    """Return the header of a unit; TableError when the file is damaged."""
    metadata = open_table(path).schema_arrow.metadata
    if UNIT_KEY not in metadata:
        raise TableError(f"{path} is not a unit of losses: its metadata has no unit header")
    try:
        if metadata[UNIT_CHECK_KEY] != _check(metadata[UNIT_KEY]):
            raise ValueError("its digest does not match")
        return _header_from(metadata[UNIT_KEY])
    except (ValueError, TypeError, KeyError) as error:
        raise TableError(f"{path} has a damaged header ({error}); run the suite again into the same folder") from error


def verify_unit(path: Path) -> UnitHeader:
    """Return the header of a unit whose every page passes its checksum; TableError when one does not."""
    header = read_header(path)
    for model in (outcome.model for outcome in header.outcomes if outcome.status == "ok"):
        read_unit_losses(path, header, model)
    return header


def read_unit_losses(path: Path, header: UnitHeader, model: str) -> dict[str, NDArray[np.float32]]:
    """Return one model's losses of a unit, column -> (prompt, size); absent columns are left out."""
    [(_, losses)] = read_unit(path, header, [model], header.columns)
    return losses


def read_unit(
    path: Path, header: UnitHeader, models: Sequence[str], columns: Sequence[str]
) -> Iterator[tuple[str, dict[str, NDArray[np.float32]]]]:
    """Yield models of a unit with their losses, column -> (prompt, size); absent columns are left out.

    Raises TableError when the file is damaged.
    """
    stored = [outcome.model for outcome in header.outcomes if outcome.status == "ok"]
    shape = (header.n_prompts, len(header.context_sizes))
    names = [name for name in columns if name in header.columns]
    rows = header.n_prompts * len(header.context_sizes)
    try:
        # all at once: a call for each model takes twice as long
        table = open_table(path).read_row_groups([stored.index(model) for model in models], columns=names)
        for number, model in enumerate(models):
            part = table.slice(number * rows, rows)
            held = {name: part.column(name) for name in names}
            yield (
                model,
                {name: as_array(column).reshape(shape) for name, column in held.items() if not column.null_count},
            )
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise TableError(
            f"{path} is damaged ({error}); run the suite again into the same folder: what is sound is kept"
        ) from error


def read_losses(folder: Path) -> pa.Table:
    """Return all per-prompt losses of a run as one pyarrow table (large: one row a prompt, size and model)."""
    paths = sorted(folder.glob("*.parquet"))
    if not paths:
        raise TableError(f"no losses in {folder}; run `icl-bench run` into this folder first")
    try:
        return pa.concat_tables(
            [open_table(path).read().replace_schema_metadata() for path in paths], promote_options="default"
        )
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"the losses in {folder} are damaged ({error}); run the suite again") from error
