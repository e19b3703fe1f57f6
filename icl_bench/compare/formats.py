"""The formats that a comparison comes in, by name."""

from __future__ import annotations

import json

from icl_bench.compare import github, junit, markdown
from icl_bench.compare.view import View
from icl_bench.formatting import finite
from icl_bench.rendering.formats import Formats

GITHUB = "github"


def render_json(view: View) -> str:
    """Return the record of a comparison as JSON, numbers that are not finite as null."""
    whole = {"verdict": view.verdict, "exit_code": view.exit_code, **view.record}
    return json.dumps(finite(whole), indent=1)


FORMATS: Formats[View] = Formats(
    {"markdown": markdown.render, "json": render_json, "junit": junit.render, GITHUB: github.render}
)
