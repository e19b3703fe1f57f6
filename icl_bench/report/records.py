"""A summary as plain records, every number unrounded: csv, one section at a time, and JSON, all of them."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from icl_bench.formatting import finite
from icl_bench.rendering.escaping import csv_value
from icl_bench.report.section_catalogue import all_sections
from icl_bench.scores.summary import Summary
from icl_bench.tables.score_table import absent_columns

RUN = "run"
"""The first column of every csv: the folder of the run."""


def render_table(summaries: Sequence[Summary], name: str) -> str:
    """Return the records of one section of all runs as csv, tidy; absent numbers are empty."""
    section = all_sections()[name]
    found = [{RUN: summary.folder, **record} for summary in summaries for record in section.records(summary)]
    seen = dict.fromkeys(field for record in found for field in record)
    text = io.StringIO()
    writer = csv.DictWriter(text, (RUN, *section.fields) if section.fields else tuple(seen), lineterminator="\n")
    writer.writeheader()
    writer.writerows({field: csv_value(value) for field, value in record.items()} for record in found)
    return text.getvalue().removesuffix("\n")


def render_json(summaries: Sequence[Summary]) -> str:
    """Return everything as JSON: an object for one run, a list for several; numbers that are not finite are null."""
    documents = [_document(summary) for summary in summaries]
    return json.dumps(finite(documents[0] if len(documents) == 1 else documents), indent=2, allow_nan=False)


def _document(summary: Summary) -> dict[str, Any]:
    document: dict[str, Any] = {
        "run": summary.folder,
        "manifest": dataclasses.asdict(summary.manifest),
        "coverage": dataclasses.asdict(summary.coverage),
        "absent_columns": absent_columns(Path(summary.folder) / "scores.parquet"),
    }
    for name, section in all_sections().items():
        own = section.document(summary) if section.document else {name: list(map(dict, section.records(summary)))}
        document.update(own)
    return document
