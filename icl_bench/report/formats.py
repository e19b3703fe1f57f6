"""The formats a report comes in, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from icl_bench.errors import UsageError, nearest
from icl_bench.report import latex, markdown, records
from icl_bench.report.summary import Summary

Renderer = Callable[[Sequence[Summary]], str]

TERMINAL = "terminal"
RENDERERS: dict[str, Renderer] = {
    "markdown": markdown.render,
    "csv": records.render_csv,
    "json": records.render_json,
    "latex": latex.render,
}
FORMATS = (TERMINAL, *RENDERERS)


def check_format(name: str) -> None:
    """Raise UsageError unless there is a format of this name."""
    if name not in FORMATS:
        raise UsageError(f"no format is called {name!r}{nearest(name, FORMATS)}; expected one of {', '.join(FORMATS)}")
