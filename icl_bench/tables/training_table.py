"""training.parquet: losses and risks on tuning prompts along a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from icl_bench.tables.parquet import read_whole, write_rows
from icl_bench.tables.schema import training_schema


def write_training(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write training.parquet atomically."""
    write_rows(path, rows, training_schema())


def read_training(path: Path) -> list[dict[str, Any]]:
    """Return the rows of training.parquet; TableError when it is missing, damaged or foreign."""
    table = read_whole(path, training_schema(), "training", "train again with --fresh")
    return table.to_pylist()  # type: ignore[no-any-return]
