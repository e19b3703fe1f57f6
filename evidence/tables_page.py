"""The tables of docs/tables.md, from the schemas and the comments of records: `python -m evidence.tables_page`."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from icl_bench.tables.manifest import Manifest
from icl_bench.tables.metric_cards import MetricCard
from icl_bench.tables.model_cards import ModelCard
from icl_bench.tables.schema import (
    CAME_WITH,
    SCHEMA_VERSION,
    baseline_schema,
    losses_schema,
    scores_schema,
    since,
    training_schema,
)

PAGE = Path(__file__).parent.parent / "docs" / "tables.md"
_FIELD = re.compile(r"^    (\w+): [^#\n]+  # (.+)$", re.MULTILINE)


def column_rows(schema: pa.Schema) -> Iterator[str]:
    """Yield a row per column; one that is not of the first version says which it came with."""
    for field in schema:
        doc = field.metadata[b"doc"].decode().replace("|", "\\|")
        later = f" Since version {since(field)}." if since(field) > 1 else ""
        yield f"| `{field.name}` | {_type(field.type)} | {doc}{later} |"


def _type(kind: pa.DataType) -> str:
    return f"list of {kind.value_type}" if pa.types.is_list(kind) else str(kind)


def field_rows(record: type) -> Iterator[str]:
    """Yield a row per field of a record, with the comment beside it; KeyError for a field without one."""
    comments = dict(_FIELD.findall(inspect.getsource(record)))
    for field in dataclasses.fields(record):
        yield f"| `{field.name}` | {comments[field.name].replace('|', chr(92) + '|')} |"


def tables() -> dict[str, str]:
    """Return marker -> table, for every table of the page that is made."""
    columns, fields = ("column", "type", "meaning"), ("key", "meaning")
    return {
        "versions": _table(
            ("version", "what came with it"), [f"| {version} | {text} |" for version, text in CAME_WITH.items()]
        ),
        "manifest": _table(fields, field_rows(Manifest)),
        "metric_cards": _table(fields, field_rows(MetricCard)),
        "model_cards": _table(fields, field_rows(ModelCard)),
        "scores": _table(columns, column_rows(scores_schema())),
        "losses": _table(columns, column_rows(losses_schema([]))),
        "baseline": _table(columns, column_rows(baseline_schema([]))),
        "training": _table(columns, column_rows(training_schema())),
    }


def _table(names: Sequence[str], rows: Iterator[str] | Sequence[str]) -> str:
    head = ["| " + " | ".join(names) + " |", "| " + " | ".join(["---"] * len(names)) + " |"]
    return "\n".join([*head, *rows])


def page(text: str) -> str:
    """Return the page with every table between its markers made anew, and the version of today."""
    for name, table in tables().items():
        begin, end = f"<!-- {name}: made by evidence/tables_page.py -->\n", f"<!-- end of {name} -->"
        before, found, rest = text.partition(begin)
        old, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"docs/tables.md has no markers {begin.strip()} and {end}: expected both, around {old!r}")
        text = f"{before}{begin}\n{table}\n\n{closed}{after}"
    return re.sub(r"schema version \(now \d+\)", f"schema version (now {SCHEMA_VERSION})", text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
