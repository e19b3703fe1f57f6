"""A comparison as workflow commands of GitHub Actions, and as a job summary that fits its limit."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from icl_bench.compare import markdown
from icl_bench.compare.view import View
from icl_bench.errors import OutputError

MOST_A_LEVEL = 10
"""GitHub shows no more annotations of one level in a step."""
SUMMARY_BYTES = 1 << 20
"""GitHub refuses a larger job summary of one step."""
_CUT = "\n\n(The rest is cut: GitHub takes no more than 1 MiB. `--format json` has everything.)\n"


def render(view: View) -> str:
    """Return one workflow command per annotation, at most ten of each level, then the verdict."""
    counts: Counter[str] = Counter()
    totals = Counter(annotation.level for annotation in view.annotations)
    lines = []
    for annotation in view.annotations:
        counts[annotation.level] += 1
        number, total = counts[annotation.level], totals[annotation.level]
        if number < MOST_A_LEVEL or number == total == MOST_A_LEVEL:
            lines.append(_command(annotation.level, annotation.title, annotation.message))
        elif number == MOST_A_LEVEL:
            more = f"and {total - MOST_A_LEVEL + 1} more"
            lines.append(_command(annotation.level, more, "the job summary shows them"))
    return "\n".join([*lines, view.verdict])


def append_summary(view: View, path: Path) -> None:
    """Append the comparison as Markdown to a job summary, cut to what GitHub takes; OutputError where it cannot."""
    text = markdown.render(view) + "\n"
    try:
        room = SUMMARY_BYTES - (path.stat().st_size if path.exists() else 0)
        with path.open("a", encoding="utf-8") as file:
            file.write(shortened_to(text, room))
    except OSError as error:
        raise OutputError(
            f"the job summary {path} cannot be written: {error.strerror or error}; unset GITHUB_STEP_SUMMARY"
            " to go without"
        ) from error


def shortened_to(text: str, room: int) -> str:
    """Return whole lines of `text` that fit in `room` bytes, with a note where something was cut."""
    if len(text.encode()) <= room:
        return text
    room -= len(_CUT.encode())
    kept, used = [], 0
    for line in text.splitlines(keepends=True):
        used += len(line.encode())
        if used > room:
            break
        kept.append(line)
    return "".join(kept) + _CUT if kept else ""


def _command(level: str, title: str, message: str) -> str:
    """Return a workflow command, escaped as GitHub's toolkit does (actions/toolkit, core/src/command.ts)."""
    return f"::{level} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
