"""A summary as LaTeX tables (packages booktabs and textcomp), to be included in a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from icl_bench.rendering.escaping import latex_comment
from icl_bench.rendering.latex import table_lines
from icl_bench.report import wording
from icl_bench.report.section import Content
from icl_bench.report.section_catalogue import contents
from icl_bench.scores.summary import Summary


def render(summaries: Sequence[Summary]) -> str:
    """Return the tables of the summaries; what has no table is told in comments."""
    return "\n".join(line for summary in summaries for line in _document(summary))


def _document(summary: Summary) -> Iterator[str]:
    found = [content for _, content in contents(summary)]
    facts = [wording.title(summary), *wording.head(summary), *wording.coverage_lines(summary)]
    for content in found:
        facts += [] if content.tables else [*content.lead, *content.notes]
    yield from map(latex_comment, facts)
    yield r"% needs \usepackage{booktabs}"
    for content in found:
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
