"""HTML text that nothing can break out of: every string is escaped on its way in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from icl_bench.text import printable


def text(value: str) -> str:
    """Return `value` for element content and quoted attributes, on one line and without control characters."""
    return escape(printable(value), quote=True)


def element(tag: str, content: str, **attributes: str | int | None) -> str:
    """Return `<tag ...>content</tag>`; `content` is markup, attribute values are escaped, None leaves one out.

    A trailing underscore is dropped from an attribute's name (`class_`), an inner one becomes a hyphen (`data_model`).
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value), quote=True)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{written}>{content}</{tag}>"


@dataclass(frozen=True, slots=True)
class Data:
    """One cell of a table body."""

    content: str  # markup
    key: float | None = None  # what the column is sorted by; None sorts last
    standing: str = ""  # class: near_bayes | between | at_zero | none


@dataclass(frozen=True, slots=True)
class BodyRow:
    """One row: a header cell, then data."""

    label: str  # plain text
    cells: Sequence[Data]
    model: int | None = None  # index among the models of the page: what the toggles act on


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring columns under one heading; an empty heading is left blank."""

    heading: str
    titles: tuple[str, ...]


def table(
    caption: str, corner: str, groups: Sequence[Group], rows: Iterable[BodyRow], *, sortable: bool = False
) -> str:
    """Return a table in a box of its own that scrolls; headings and labels are plain text, `caption` is markup."""
    grouped = any(group.heading for group in groups)
    titles = [title for group in groups for title in group.titles]
    heads = "".join(element("th", text(title), scope="col") for title in titles)
    if grouped:
        above = "".join(_group_head(group) for group in groups)
        head = f'<tr><th rowspan="2" scope="col">{text(corner)}</th>{above}</tr><tr>{heads}</tr>'
    else:
        head = f'<tr><th scope="col">{text(corner)}</th>{heads}</tr>'
    body = "".join(_row(row) for row in rows)
    kind = ' class="sortable"' if sortable else ""
    label = escape(_plain(caption), quote=True)
    return (
        f'<div class="box" tabindex="0" role="region" aria-label="{label}"><table{kind}><caption>{caption}</caption>'
        f"<thead>{head}</thead><tbody>{body}</tbody></table></div>"
    )


def _group_head(group: Group) -> str:
    return element("th", text(group.heading), colspan=len(group.titles), scope="colgroup", class_="group")


def _row(row: BodyRow) -> str:
    cells = "".join(_cell(cell) for cell in row.cells)
    model = "" if row.model is None else f' data-m="{row.model}"'
    return f'<tr{model}><th scope="row">{text(row.label)}</th>{cells}</tr>'


def _cell(cell: Data) -> str:
    key = "" if cell.key is None else f' data-v="{cell.key:.6g}"'
    standing = f' class="{cell.standing}"' if cell.standing else ""
    return f"<td{key}{standing}>{cell.content}</td>"


def _plain(markup: str) -> str:
    """Return a caption without its tags: what a screen reader calls the box."""
    from html import unescape
    from re import sub

    return unescape(sub("<[^>]*>", "", markup))


def items(texts: Iterable[str], **attributes: str) -> str:
    """Return plain texts as a list; nothing without any."""
    listed = "".join(element("li", text(line)) for line in texts)
    return element("ul", listed, **attributes) if listed else ""


def terms(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names and plain values as a description list."""
    return element(
        "dl", "".join(element("div", element("dt", text(name)) + element("dd", text(value))) for name, value in pairs)
    )


def section(identifier: str, heading: str, *parts: str) -> str:
    """Return a section with its heading; `parts` are markup."""
    title = element("h2", text(heading), id=f"{identifier}-heading")
    return element("section", title + "".join(parts), id=identifier, aria_labelledby=f"{identifier}-heading")


def paragraph(line: str, class_: str | None = None) -> str:
    """Return plain text as a paragraph."""
    return element("p", text(line), class_=class_)


def folded(title: str, content: str, **attributes: str) -> str:
    """Return markup that a reader unfolds."""
    return element("details", element("summary", text(title)) + content, **attributes)
