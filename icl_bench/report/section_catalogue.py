"""Which sections a report has: the files of `report/sections`, each ending with `SECTION = Section(...)`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from icl_bench.report import sections

if TYPE_CHECKING:
    from icl_bench.report.section import Content, Section
    from icl_bench.scores.summary import Summary


def section_names() -> tuple[str, ...]:
    """Return the names of all sections in alphabetical order; imports none of them."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(sections.__path__) if not module.ispkg))


@cache
def all_sections() -> Mapping[str, Section]:
    """Return every section by name, in the order in which a report shows them."""
    found = {name: importlib.import_module(f"{sections.__name__}.{name}").SECTION for name in section_names()}
    return dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))


def contents(summary: Summary) -> Iterator[tuple[str, Content]]:
    """Yield name and content of each section that has something to say of a run, in order."""
    for name, section in all_sections().items():
        content = section.content(summary) if summary.has_numbers or not section.needs_numbers else None
        if content is not None:
            yield name, content
