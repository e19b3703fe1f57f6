"""Interaction of joint shifts: whether they hurt more together than one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from icl_bench.report.run_score_tables import no_document, one_score, score_records
from icl_bench.report.section import Content, Section
from icl_bench.scores.records import INTERACTION, POINT
from icl_bench.scores.summary import Summary

TITLE = "Interaction of joint shifts"
NOTE = (
    "log R(joint) - sum of log R(single) + (k - 1) log R(unshifted), in natural logarithms; 0: shifts"
    " multiply, above 0: they hurt more together"
)


def content(summary: Summary) -> Content | None:
    """Return models against joint shifts; None without any."""
    tables = one_score(summary, INTERACTION, POINT)
    return Content(TITLE, tables=tables, notes=(NOTE,)) if tables else None


def records(summary: Summary) -> Iterator[dict[str, Any]]:
    """Yield the interaction of every joint shift."""
    return score_records(summary, INTERACTION)


SECTION = Section(order=60, content=content, records=records, document=no_document)
