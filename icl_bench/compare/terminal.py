"""A comparison for the terminal: the verdict first, tables that fit a width, sense without colour."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from icl_bench.compare.view import Part, View
from icl_bench.rendering.table import SAME, UNSURE, WORSE
from icl_bench.rendering.terminal import NARROWEST, heading, styled, table_lines, wrapped

if TYPE_CHECKING:
    from rich.text import Text

VERDICT_STYLES = {WORSE: "bold red", UNSURE: "bold yellow", SAME: "bold green"}


def lines(view: View, width: int, verbose: bool) -> Iterator[Text]:
    """Yield the comparison line by line, in at most `width` characters; details only when `verbose`."""
    width = max(width, NARROWEST)
    yield from wrapped(view.verdict, width, VERDICT_STYLES.get(view.standing, "bold"))
    for line in view.head:
        yield from wrapped(line, width)
    for part in view.parts:
        if verbose or not part.detail:
            yield from _part(part, width)
    if not verbose and any(part.detail for part in view.parts):
        yield styled("")
        yield from wrapped("--verbose shows every cell, --format json every number.", width)


def _part(part: Part, width: int) -> Iterator[Text]:
    if part.title:
        yield from heading(part.title, width)
    for line in part.lines:
        yield from wrapped(line, width)
    if part.table is not None:
        yield from table_lines(part.table, width)
