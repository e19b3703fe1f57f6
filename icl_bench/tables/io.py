"""The only place that touches Parquet: units of losses, score tables, and nothing written by halves."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from icl_bench.digests import bytes_digest
from icl_bench.errors import NotComparableError, OutputError, TableError
from icl_bench.seeding import BLOCK_SIZE
from icl_bench.tables.schema import (
    LOOKED_UP,
    SCHEMA_KEY,
    SCHEMA_VERSION,
    columns_after,
    losses_schema,
    scores_schema,
    training_schema,
)

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
    """What a unit holds, kept in the file's own metadata: one block of one scenario, severity and seed."""

    run_digest: str
    prompt_digest: str
    scenario: str
    severity: float | None
    severity_label: str
    point: tuple[float | None, ...]  # one severity per factor of the scenario
    identity: bool | None  # whether the severity is the unshifted one; None for a product
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


def sync_directory(folder: Path) -> None:
    """Make a rename inside `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` only when the block ends well: synced, then renamed.

    Raises OutputError, with what to do, when the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}; free space or mend the permissions of"
            f" {path.parent}, then run the same command again: finished units are kept"
        ) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a small text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _header_json(header: UnitHeader) -> bytes:
    def fields(part: Any) -> dict[str, Any]:  # as dataclasses.asdict, without its copies of every number
        return {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}

    return json.dumps(header, default=fields).encode()


def _check(text: bytes) -> bytes:
    return bytes_digest([text]).encode()


def _header_from(text: bytes) -> UnitHeader:
    fields: dict[str, Any] = json.loads(text)
    outcomes = tuple(
        ModelOutcome(**{**item, "tails": {name: tuple(tail) for name, tail in item["tails"].items()}})
        for item in fields.pop("outcomes")
    )
    for name in ("context_sizes", "columns", "point"):
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
        "scenario": _constant(header.scenario, rows),
        "severity": pa.nulls(rows, pa.float64())
        if header.severity is None
        else pa.array(np.full(rows, header.severity)),
        "severity_label": _constant(header.severity_label, rows),
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


def open_table(path: Path) -> pq.ParquetFile:
    """Open a Parquet file of icl-bench; TableError or NotComparableError says what is wrong with it."""
    if not path.is_file():
        raise TableError(f"no such table: {path}; run `icl-bench run` into this folder first")
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        version = (file.schema_arrow.metadata or {}).get(SCHEMA_KEY)
        number = None if version is None else int(version)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TableError(
            f"{path} is damaged or not Parquet ({error});"
            " run the suite again into the same folder: what is sound is kept"
        ) from error
    if number is None:
        raise TableError(f"{path} is not a table of icl-bench: its metadata has no schema version")
    if number > SCHEMA_VERSION:
        raise NotComparableError(
            f"{path} has schema version {number}, newer than this icl-bench's {SCHEMA_VERSION}: upgrade icl-bench"
        )
    return file


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
        for place, model in enumerate(models):
            part = table.slice(place * rows, rows)
            held = {name: part.column(name) for name in names}
            yield (
                model,
                {name: as_array(column).reshape(shape) for name, column in held.items() if not column.null_count},
            )
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise TableError(
            f"{path} is damaged ({error}); run the suite again into the same folder: what is sound is kept"
        ) from error


def as_array(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """Return a column without nulls as numpy; pyarrow's own `to_numpy` would import pandas."""
    parts = [np.asarray(np.from_dlpack(chunk), dtype=np.float32) for chunk in column.chunks]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.float32), *parts])


def write_scores(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write scores.parquet atomically."""
    _write_rows(path, rows, scores_schema())


def write_training(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write training.parquet atomically."""
    _write_rows(path, rows, training_schema())


def _write_rows(path: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> None:
    columns = {name: pa.array([row[name] for row in rows], schema.field(name).type) for name in schema.names}
    with replacing(path) as temporary:
        pq.write_table(pa.table(columns, schema=schema), temporary, write_page_checksum=True)


def read_training(path: Path) -> list[dict[str, Any]]:
    """Return the rows of training.parquet; TableError when it is missing, damaged or foreign."""
    table = _read_whole(path, training_schema(), "training", "train again with --fresh")
    return table.to_pylist()  # type: ignore[no-any-return]


def read_scores(path: Path) -> pa.Table:
    """Return scores.parquet as a pyarrow table; TableError when it is missing, damaged or foreign.

    Columns that came with a later schema version than the file's are null.
    """
    return _read_whole(path, scores_schema(), "scores", "run the suite again into the same folder")


def _read_whole(path: Path, schema: pa.Schema, what: str, remedy: str) -> pa.Table:
    """Return a table with at least the columns of `schema`; TableError says what it should hold and what to do."""
    try:
        table = open_table(path).read()
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path} is damaged ({error}); {remedy}") from error
    for name in _younger(path, schema, table.schema, what):
        table = table.append_column(schema.field(name), pa.nulls(table.num_rows, schema.field(name).type))
    return table


def _younger(path: Path, schema: pa.Schema, held: pa.Schema, what: str) -> list[str]:
    """Return the columns of `schema` that a file of an older version rightly lacks.

    Raises TableError where another is missing.
    """
    younger = columns_after(schema, int(held.metadata[SCHEMA_KEY]))
    missing = [name for name in schema.names if name not in held.names]
    wrong = [name for name in missing if name not in younger]
    if wrong:
        raise TableError(f"{path} is not a table of {what}: it lacks the column {wrong[0]!r}")
    return missing


def read_score_rows(
    path: Path, metrics: Sequence[str], *, headline: bool = False, places: Collection[tuple[str, str]] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of scores.parquet with one of `metrics`, and every row whose status is not ok.

    `headline` keeps the context size that summaries show alone, also of looked-up cells, which have rows for all;
    `places` keeps these scenarios and severity labels alone. Read in batches: memory grows with the rows that are
    returned. Raises TableError when the table is missing or damaged.
    """
    wanted = set(metrics)

    def is_kept(metric: str | None, status: str, shown: bool | None, scenario: str, label: str) -> bool:
        if places is not None and (scenario, label) not in places:
            return False
        if headline and status == LOOKED_UP:
            return bool(shown)
        return status != "ok" or (metric in wanted and (not headline or bool(shown)))

    kept: list[dict[str, Any]] = []
    try:
        file = open_table(path)
        absent = dict.fromkeys(_younger(path, scores_schema(), file.schema_arrow, "scores"))
        for batch in file.iter_batches(1 << 16):
            columns = [batch.column(name).to_pylist() for name in _FILTERED]
            mask = np.fromiter(map(is_kept, *columns), dtype=bool, count=batch.num_rows)
            # from its bits: `pa.array` would import pandas
            bits = pa.py_buffer(np.packbits(mask, bitorder="little"))
            rows = batch.filter(pa.Array.from_buffers(pa.bool_(), len(mask), [None, bits])).to_pylist()
            kept.extend({**absent, **row} for row in rows)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path} is damaged ({error}); run the suite again into the same folder") from error
    return kept


def read_looked_up(path: Path) -> dict[tuple[str, str, int, str], str]:
    """Return the looked-up cells of scores.parquet, (scenario, severity label, seed, model) -> message.

    Empty where there is no table: a run that did not come to its end was not judged. TableError when it is damaged.
    """
    found: dict[tuple[str, str, int, str], str] = {}
    if not path.exists():
        return found
    names = ("status", "scenario", "severity_label", "seed", "model", "message")
    try:
        for batch in open_table(path).iter_batches(1 << 16, columns=list(names)):
            if LOOKED_UP in batch.column("status").dictionary_encode().dictionary.to_pylist():
                for status, scenario, label, seed, model, message in zip(
                    *(batch.column(name).to_pylist() for name in names), strict=True
                ):
                    if status == LOOKED_UP:
                        found[scenario, label, seed, model] = message
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path} is damaged ({error}); run the suite again into the same folder") from error
    return found


_FILTERED = ("metric", "status", "headline", "scenario", "severity_label")


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
