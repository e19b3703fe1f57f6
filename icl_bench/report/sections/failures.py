"""Cells without a number that counts: looked up, failed, skipped, and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from icl_bench.formatting import printable
from icl_bench.report.section import Content, Section, flat
from icl_bench.scores.coverage import Trouble
from icl_bench.scores.summary import Summary
from icl_bench.tables.schema import LOOKED_UP, PROMPTS


def content(summary: Summary) -> Content | None:
    """Return a line per status and message; None where every cell has its numbers."""
    return Content(_title(summary.troubles), notes=_lines(summary.troubles)) if summary.troubles else None


def _title(troubles: Sequence[Trouble]) -> str:
    looked_up = any(trouble.status == LOOKED_UP for trouble in troubles)
    return "Looked up, failed and skipped" if looked_up else "Failed and skipped"


def _lines(troubles: Sequence[Trouble]) -> tuple[str, ...]:
    """Return one line per status and message, naming the models that share it."""
    shared: dict[tuple[str, str, bool], list[Trouble]] = {}
    for trouble in troubles:
        shared.setdefault((trouble.status, trouble.message, bool(trouble.metrics)), []).append(trouble)
    lines = []
    for (status, message, _), members in shared.items():
        # what the prompts alone lack, every model lacks: name it only where it stands alone
        models = [trouble for trouble in members if trouble.model != PROMPTS] or members
        metrics = dict.fromkeys(name for trouble in members for name in trouble.metrics)
        cells = sum(trouble.cells for trouble in models)
        lines.append(
            f"{status}: {', '.join(trouble.model for trouble in models)}: {printable(message)}"
            + (f" ({', '.join(metrics)})" if metrics else "")
            + f"; {cells} cell{'s' if cells > 1 else ''}, such as {models[0].example}"
        )
    return tuple(lines)


def records(summary: Summary) -> Iterator[dict[str, Any]]:
    """Yield one row per model, status and message."""
    return map(flat, summary.troubles)


def _document(summary: Summary) -> dict[str, Any]:
    return {"troubles": [dataclasses.asdict(trouble) for trouble in summary.troubles]}


SECTION = Section(order=80, content=content, records=records, document=_document, needs_numbers=False)
