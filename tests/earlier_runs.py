"""Runs and baselines as earlier versions of icl-bench wrote them, made from those of today by taking away."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from icl_bench.tables.schema import LOOKED_UP_COLUMN, SCHEMA_KEY, scores_schema
from icl_bench.tables.units import UNIT_CHECK_KEY, UNIT_KEY, _check

CAME_LATER = {2: ("noise_variance", "factors", "kind"), 3: ("metric_cards",)}
"""Fields of the manifest by the schema version that they came with."""


def lowered(folder: Path, target: Path, version: int) -> Path:
    """Copy a run or baseline to `target` as an icl-bench of an earlier schema version would have written it."""
    shutil.copytree(folder, target)
    lower_manifest(target, version)
    lower_scores(target / "scores.parquet", version)
    for path in (target / "losses").glob("*.parquet"):
        lower_unit(path, version)
    if (target / "baseline.parquet").exists():
        rewrite(target / "baseline.parquet", {SCHEMA_KEY: str(version).encode()})
    return target


def lower_manifest(folder: Path, version: int) -> None:
    path = folder / "manifest.json"
    fields: dict[str, Any] = json.loads(path.read_text())
    fields["schema_version"] = version
    for since, names in CAME_LATER.items():
        for name in names if since > version else ():
            fields.pop(name, None)
    for card in fields.get("metric_cards", {}).values() if version < 4 else ():
        card.pop("meaning", None)
        card["role"] = None if card["role"] == "risk" else card["role"]
    path.write_text(json.dumps(fields))


def lower_scores(path: Path, version: int, lost: tuple[str, ...] = ()) -> None:
    """Leave the columns of an earlier version, but for those that got lost."""
    names = [name for name in scores_schema(version).names if name not in lost]
    table = pq.read_table(path).select(names)
    pq.write_table(table.replace_schema_metadata({SCHEMA_KEY: str(version).encode()}), path)


def lower_unit(path: Path, version: int) -> None:
    header: dict[str, Any] = json.loads(pq.read_schema(path).metadata[UNIT_KEY])
    dropped = []
    if version < 3:
        header.pop("skipped")
        dropped = [name for name in header["columns"] if name == LOOKED_UP_COLUMN]
        header["columns"] = [name for name in header["columns"] if name not in dropped]
    text = json.dumps(header).encode()
    described = {SCHEMA_KEY: str(version).encode(), UNIT_KEY: text, UNIT_CHECK_KEY: _check(text)}
    rewrite(path, described, dropped)


def rewrite(path: Path, metadata: dict[bytes, bytes], dropped: list[str] | None = None) -> None:
    """Write a table again, its row groups and all other metadata kept."""
    file = pq.ParquetFile(path)
    names = [name for name in file.schema_arrow.names if name not in (dropped or [])]
    groups = [file.read_row_group(number, columns=names) for number in range(file.num_row_groups)]
    known = {**(file.schema_arrow.metadata or {}), **metadata}
    kept = {key: value for key, value in (file.metadata.metadata or {}).items() if key.startswith(b"icl_bench")}
    schema = file.schema_arrow if not dropped else groups[0].schema
    with pq.ParquetWriter(path, schema.with_metadata(known)) as writer:
        for group in groups:
            writer.write_table(group.replace_schema_metadata(known))
        writer.add_key_value_metadata({key: value for key, value in kept.items() if key not in known})
