"""Frozen-prior gap: whether a learner answers as if the prior or the noise had not moved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from icl_bench.report.run_score_tables import no_document, one_score, score_records
from icl_bench.report.section import Content, Section
from icl_bench.scores.records import AXIS, GAP
from icl_bench.scores.summary import Summary

TITLE = "Frozen-prior gap: whose Bayes prediction is nearer where the prior or the noise has moved"
NOTE = (
    "squared distance to Bayes of the test law less that to Bayes of the training law, over the risk"
    " of predicting zero; above 0: the learner answers as if the prior or noise had not moved"
)


def content(summary: Summary) -> Content | None:
    """Return models against the axes on which the prior or the noise moved; None without any."""
    tables = one_score(summary, GAP, AXIS)
    return Content(TITLE, tables=tables, notes=(NOTE,)) if tables else None


def records(summary: Summary) -> Iterator[dict[str, Any]]:
    """Yield the gaps of severities, scenarios and axes."""
    return score_records(summary, GAP)


SECTION = Section(order=50, content=content, records=records, document=no_document)
