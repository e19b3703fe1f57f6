"""A summary as LaTeX tables (packages booktabs and textcomp), to be included in a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from icl_bench.rendering.escaping import latex_comment
from icl_bench.rendering.latex import table_lines
from icl_bench.report import wording
from icl_bench.report.latex_skill import skill_table
from icl_bench.report.section import Content
from icl_bench.report.section_catalogue import contents
from icl_bench.scores.summary import Summary

SKILL = "skill"
"""The section that has a table of its own in a paper."""


def render(summaries: Sequence[Summary], only: str | None = None) -> str:
    """Return the tables of the summaries; what has no table is told in comments.

    `only` names the one section that is wanted.
    """
    return "\n".join(line for summary in summaries for line in _document(summary, only))


def _document(summary: Summary, only: str | None) -> Iterator[str]:
    found = [(name, content) for name, content in contents(summary) if only in (None, name)]
    facts = [wording.title(summary), *wording.head(summary), *wording.coverage_lines(summary)]
    for _, content in found:
        facts += [] if content.tables else [*content.lead, *content.notes]
    yield from map(latex_comment, facts)
    yield r"% needs \usepackage{booktabs}"
    for name, content in found:
        if name == SKILL and content.tables:
            yield from skill_table(summary, content.notes)
            continue
        for number, table in enumerate(content.tables):
            yield from table_lines(table, _caption(summary, content, number))


def _caption(summary: Summary, content: Content, number: int) -> str:
    """Return what stands below a section's table: all that is to be said below the first, then where it is said."""
    name = wording.title(summary)
    title = content.tables[number].title
    if content.title:
        sentences = [f"{name}. {content.title}", *([title] if title else []), *content.lead, *content.notes]
        return ". ".join(sentences) + "."
    legend = " ".join([*content.lead, *content.notes]) if number == 0 else "Legend as in the first table."
    return f"{name}: {title}. {legend}"
