"""Names: chosen by name or glob, and the near misses of one that is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from icl_bench.errors import UsageError


def matching(labels: Sequence[str], patterns: Sequence[str], what: str) -> tuple[str, ...]:
    """Return the labels that equal or match any pattern (`covariate/*`), all without patterns.

    Raises UsageError when a pattern matches nothing.
    """
    for pattern in patterns:
        if not any(_matches(label, pattern) for label in labels):
            raise UsageError(f"no {what} matches {pattern!r}{nearest(pattern, labels)}; there are: {', '.join(labels)}")
    return chosen(labels, patterns)


def chosen(labels: Sequence[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the labels that equal or match any pattern, be they none; all without patterns."""
    return tuple(label for label in labels if not patterns or any(_matches(label, pattern) for pattern in patterns))


def _matches(label: str, pattern: str) -> bool:
    return label == pattern or fnmatchcase(label, pattern)  # a label may hold brackets


def nearest(name: str, known: Sequence[str]) -> str:
    """Return ` (did you mean 'x'?)` for the known name closest to `name`, or an empty string."""
    import difflib

    tail = {entry.rsplit("/", 1)[-1]: entry for entry in known}
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if not close:
        close = [tail[match] for match in difflib.get_close_matches(name, list(tail), n=1, cutoff=0.6)]
    return f" (did you mean {close[0]!r}?)" if close else ""
