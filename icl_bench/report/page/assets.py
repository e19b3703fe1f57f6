"""The page's own script and style, Plotly's library, and how large things travel inside one file.

Nothing here holds a text of a run but `squeezed_json`, and that in base64.
"""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from markupsafe import Markup

from icl_bench.errors import UsageError
from icl_bench.rendering import html

PACKAGE = "icl_bench.report.page"
SCRIPTS = (
    "numbers.js",
    "data.js",
    "looks.js",
    "models.js",
    "skill.js",
    "plots.js",
    "curves.js",
    "severity_axis.js",
    "severity.js",
    "sizes.js",
    "metric_map.js",
    "heatmap.js",
    "resemblance.js",
    "downloads.js",
    "start.js",
)
"""The parts of the page's script that are its own, in order, after those that all pages share."""
_WRAPPER_START, _WRAPPER_END = '"use strict";var Plotly=', "window.Plotly = Plotly;\nreturn Plotly;"
COMPRESSION = 5
"""Of gzip: level 6 takes a third longer for 1% less."""


def read(name: str) -> str:
    """Return a style or script of the page: its own, or one that all pages share."""
    own = resources.files(PACKAGE) / name
    return own.read_text(encoding="utf-8") if own.is_file() else html.read(name)


def style() -> str:
    """Return the page's style: that of all pages, then its own."""
    return read("page.css") + read("report.css")


def script() -> str:
    """Return the page's script."""
    return html.script(read(name) for name in (*html.SCRIPTS, *SCRIPTS))


def plotly_source() -> str:
    """Return plotly.min.js of the installed package plotly, without importing it; UsageError when there is none."""
    found = importlib.util.find_spec("plotly")
    folders = [] if found is None else found.submodule_search_locations or []
    for folder in folders:
        path = Path(folder) / "package_data" / "plotly.min.js"
        if path.is_file():
            return path.read_bytes().decode()  # no line ends to be translated, which takes longer than the rest
    raise UsageError(
        "--format html draws its plots with Plotly, which is not installed: expected the package plotly with its"
        " plotly.min.js; run `pip install plotly`"
    )


def unwrapped(source: str) -> str:
    """Return Plotly's library without the module wrapper around it; as it is where the wrapper is not the known one.

    A browser parses the body of a function that it meets in a call twice: without the wrapper the library is ready in
    two thirds of the time (measured: 0.65 s instead of 1.1 s).
    """
    start, end = source.find(_WRAPPER_START), source.rfind(_WRAPPER_END)
    if start < 0 or end < start:
        return source
    licence = source[: source.find("*/") + 2]
    return f"{licence}\n{source[start:end]}\nwindow.Plotly = Plotly;\n"


@cache
def packed_plotly() -> tuple[Markup, str]:
    """Return Plotly's library, squeezed, and the hash that lets a page run it."""
    source = unwrapped(plotly_source())
    return squeezed(source.encode()), html.script_hash(source)


def squeezed(content: bytes) -> Markup:
    """Return bytes as gzip in base64; the same bytes give the same text.

    It is markup because base64 has no character that means anything in HTML, whatever the bytes are.
    """
    return Markup(base64.b64encode(gzip.compress(content, COMPRESSION, mtime=0)).decode())


def squeezed_json(value: Any) -> Markup:
    """Return a plain value as JSON in gzip in base64."""
    return squeezed(json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode())
