"""HTML pages from Jinja2 templates: whatever is put into a template is text, and no slip can make markup of it.

A page is a template of its own package that extends `base.html`; `macros.html` writes tables, lists and folds.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Undefined
from markupsafe import Markup

from icl_bench.formatting import plain
from icl_bench.rendering.table import Table

SHARED = "icl_bench.rendering"
FOLDER = "templates"
SCRIPTS = ("theme.js", "sorting.js")
"""Shared parts of a page's script."""
_WITHOUT = ("safe", "escape", "e", "forceescape")
"""Filters that a template does not have: the first lets markup through, the others hide text from `shown`."""


def shown(value: object) -> object:
    """Return what a template writes for a value: text without control characters, which autoescape then escapes.

    Whole numbers and markup stay; TypeError for all else: a None or a float with 17 digits on a page is a slip.
    """
    if type(value) is str:
        return value if value.isprintable() else plain(value)
    if isinstance(value, Markup | Undefined | int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        return plain(value)
    raise TypeError(f"a template writes text and whole numbers, not {value!r}")


def remarks(table: Table) -> dict[str, int]:
    """Return the different notes of a table's cells, numbered from 1 in the order in which they are read."""
    notes = (cell.note for row in table.rows for cell in row.cells if cell.note)
    return {note: number for number, note in enumerate(dict.fromkeys(notes), 1)}


@cache
def environment(package: str) -> Environment:
    """Return the environment of the templates of `package`, in its folder `templates`, and of those all pages share."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(SHARED, FOLDER), PackageLoader(package, FOLDER)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=shown,
        auto_reload=False,
    )
    made.filters["remarks"] = remarks
    for name in _WITHOUT:
        del made.filters[name]
    return made


def read(name: str) -> str:
    """Return a style or script that all pages share."""
    return (resources.files(SHARED) / FOLDER / name).read_text(encoding="utf-8")


def script(parts: Iterable[str]) -> str:
    """Return a page's script: its parts inside one strict function, so that they share one scope."""
    joined = "\n".join(parts)
    return f'(() => {{\n"use strict";\n{joined}\n}})();\n'


def script_hash(source: str) -> str:
    """Return the source expression, without its quotes, that lets a page run exactly this script (CSP level 3)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def render(package: str, template: str, *, style: str, script: str, hashes: Sequence[str] = (), **content: Any) -> str:
    """Return one complete HTML document.

    `style` and `script` are files of this package, in which nothing of a run is: a browser reads neither for
    entities, so they go in as they are. `hashes` are those of further scripts that the page may run.
    """
    return (
        environment(package)
        .get_template(template)
        .render(style=Markup(style), script=Markup(script), hashes=[script_hash(script), *hashes], **content)
    )
