"""Parquet files of icl-bench: opened with their schema version checked, rows written and read, older columns filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from icl_bench.errors import NotComparableError, TableError
from icl_bench.files import replacing
from icl_bench.tables.schema import SCHEMA_KEY, SCHEMA_VERSION, columns_after, why_absent


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


def as_array(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """Return a column without nulls as numpy; pyarrow's own `to_numpy` would import pandas."""
    parts = [np.asarray(np.from_dlpack(chunk), dtype=np.float32) for chunk in column.chunks]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.float32), *parts])


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> None:
    """Write rows as a table of `schema`, whole, its pages check-summed; OutputError when the disk refuses."""
    columns = {name: pa.array([row[name] for row in rows], schema.field(name).type) for name in schema.names}
    with replacing(path) as temporary:
        pq.write_table(pa.table(columns, schema=schema), temporary, write_page_checksum=True)


def read_whole(path: Path, schema: pa.Schema, what: str, remedy: str) -> pa.Table:
    """Return a table with the columns of `schema`; TableError says what it should hold and what to do.

    Columns that a file of an older version lacks are null; columns that are no more are left out.
    """
    try:
        table = open_table(path).read()
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path} is damaged ({error}); {remedy}") from error
    for name in younger_columns(path, schema, table.schema, what):
        table = table.append_column(schema.field(name), pa.nulls(table.num_rows, schema.field(name).type))
    return table.select(schema.names)


def younger_columns(path: Path, schema: pa.Schema, held: pa.Schema, what: str) -> dict[str, str]:
    """Return the columns of `schema` that a file of an older version rightly lacks, and why each is null in it.

    Raises TableError where another is missing.
    """
    version = int(held.metadata[SCHEMA_KEY])
    younger = columns_after(schema, version)
    missing = [name for name in schema.names if name not in held.names]
    wrong = [name for name in missing if name not in younger]
    if wrong:
        raise TableError(
            f"{path} is not a table of {what}: it lacks the column {wrong[0]!r}, which version {version} has"
        )
    return {name: why_absent(schema, name, version) for name in missing}
