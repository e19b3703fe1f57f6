"""The formats that a comparison comes in, by name."""

from __future__ import annotations

import json
from collections.abc import Callable

from icl_bench.compare import github, junit, markdown
from icl_bench.compare.view import View
from icl_bench.errors import UsageError, nearest
from icl_bench.text import finite

TERMINAL, GITHUB = "terminal", "github"


def render_json(view: View) -> str:
    """Return the record of a comparison as JSON, numbers that are not finite as null."""
    whole = {"verdict": view.verdict, "exit_code": view.exit_code, **view.record}
    return json.dumps(finite(whole), indent=1)


RENDERERS: dict[str, Callable[[View], str]] = {
    "markdown": markdown.render,
    "json": render_json,
    "junit": junit.render,
    GITHUB: github.render,
}
FORMATS = (TERMINAL, *RENDERERS)


def check_format(name: str) -> None:
    """Raise UsageError unless there is a format of this name."""
    if name not in FORMATS:
        raise UsageError(f"no format is called {name!r}{nearest(name, FORMATS)}; expected one of {', '.join(FORMATS)}")
