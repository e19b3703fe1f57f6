"""scores.parquet: one row per cell, context size and metric."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from icl_bench.errors import TableError
from icl_bench.tables.parquet import open_table, read_whole, write_rows, younger_columns
from icl_bench.tables.schema import LOOKED_UP, SCHEMA_VERSION, scores_schema

_FILTERED = ("metric", "status", "headline", "scenario", "severity_label")


def write_scores(path: Path, rows: Sequence[Mapping[str, Any]], version: int = SCHEMA_VERSION) -> None:
    """Write scores.parquet whole, with the columns of a schema version: that of the table which the rows are from."""
    write_rows(path, rows, scores_schema(version))


def absent_columns(path: Path) -> dict[str, str]:
    """Return the columns that a scores.parquet of an older schema version has not, and why; TableError as ever."""
    return younger_columns(path, scores_schema(), open_table(path).schema_arrow, "scores")


def read_scores(path: Path) -> pa.Table:
    """Return scores.parquet as a pyarrow table; TableError when it is missing, damaged or foreign.

    Columns that came with a later schema version than the file's are null; `absent_columns` says why.
    """
    return read_whole(path, scores_schema(), "scores", "run the suite again into the same folder")


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
        absent = dict.fromkeys(younger_columns(path, scores_schema(), file.schema_arrow, "scores"))
        held = [name for name in scores_schema().names if name not in absent]
        for batch in file.iter_batches(1 << 16, columns=held):
            columns = [batch.column(name).to_pylist() for name in _FILTERED]
            mask = np.fromiter(map(is_kept, *columns), dtype=bool, count=batch.num_rows)
            # from its bits: `pa.array` would import pandas
            bits = pa.py_buffer(np.packbits(mask, bitorder="little"))
            rows = batch.filter(pa.Array.from_buffers(pa.bool_(), len(mask), [None, bits])).to_pylist()
            kept.extend({**absent, **row} for row in rows)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path} is damaged ({error}); run the suite again into the same folder") from error
    return kept


def read_looked_up(path: Path) -> dict[tuple[str, int, str], str]:
    """Return the looked-up cells of scores.parquet, (name of the place, seed, model) -> message.

    Empty where there is no table: a run that did not come to its end was not judged. TableError when it is damaged.
    """
    found: dict[tuple[str, int, str], str] = {}
    if not path.exists():
        return found
    names = ("status", "scenario", "severity_label", "seed", "model", "message")  # text: what every version has
    try:
        for batch in open_table(path).iter_batches(1 << 16, columns=list(names)):
            if LOOKED_UP in batch.column("status").dictionary_encode().dictionary.to_pylist():
                for status, scenario, label, seed, model, message in zip(
                    *(batch.column(name).to_pylist() for name in names), strict=True
                ):
                    if status == LOOKED_UP:
                        found[f"{scenario} {label}".strip(), seed, model] = message
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path} is damaged ({error}); run the suite again into the same folder") from error
    return found
