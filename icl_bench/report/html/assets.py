"""The page's own script and style, Plotly's library, and how large things travel inside one file."""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.util
import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from icl_bench.errors import UsageError

SCRIPTS = (
    "numbers.js",
    "data.js",
    "models.js",
    "theme.js",
    "plots.js",
    "severity.js",
    "sizes.js",
    "heatmap.js",
    "resemblance.js",
    "sorting.js",
    "downloads.js",
    "start.js",
)
"""The parts of the page's script, in order; they share one scope."""
_WRAPPER_START, _WRAPPER_END = '"use strict";var Plotly=', "window.Plotly = Plotly;\nreturn Plotly;"
COMPRESSION = 6
"""Of gzip: level 9 takes three times as long for 1% less."""


def read(name: str) -> str:
    """Return a text asset of the page."""
    return (resources.files("icl_bench.report.html") / name).read_text(encoding="utf-8")


def script() -> str:
    """Return the page's script: its parts inside one strict function."""
    parts = "\n".join(read(name) for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}\n}})();\n'


def plotly_source() -> str:
    """Return plotly.min.js of the installed package plotly, without importing it; UsageError when there is none."""
    found = importlib.util.find_spec("plotly")
    folders = [] if found is None else found.submodule_search_locations or []
    for folder in folders:
        path = Path(folder) / "package_data" / "plotly.min.js"
        if path.is_file():
            return path.read_text(encoding="utf-8")
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
def packed_plotly() -> tuple[str, str]:
    """Return Plotly's library as text for `embedded` and the hash that lets a page run it."""
    source = unwrapped(plotly_source())
    return squeezed(source.encode()), script_hash(source)


def squeezed(content: bytes) -> str:
    """Return bytes as gzip in base64; the same bytes give the same text."""
    return base64.b64encode(gzip.compress(content, COMPRESSION, mtime=0)).decode()


def squeezed_json(value: Any) -> str:
    """Return a plain value as JSON in gzip in base64."""
    return squeezed(json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode())


def embedded(identifier: str, packed: str) -> str:
    """Return packed text as a block that a browser does not run, for the page's script to find by its id."""
    return f'<script type="text/plain" id="{identifier}">{packed}</script>'


def script_hash(source: str) -> str:
    """Return the source expression that lets a page run exactly this script (Content Security Policy level 3)."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() + "'"
