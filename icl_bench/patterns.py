"""Names chosen by name or glob."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from icl_bench.errors import UsageError, nearest


def matching(labels: Sequence[str], patterns: Sequence[str], what: str) -> tuple[str, ...]:
    """Return the labels that equal or match any pattern (`covariate/*`), all without patterns.

    Raises UsageError when a pattern matches nothing.
    """
    for pattern in patterns:
        if not any(_matches(label, pattern) for label in labels):
            raise UsageError(f"no {what} matches {pattern!r}{nearest(pattern, labels)}; there are: {', '.join(labels)}")
    return tuple(label for label in labels if not patterns or any(_matches(label, pattern) for pattern in patterns))


def _matches(label: str, pattern: str) -> bool:
    return label == pattern or fnmatchcase(label, pattern)  # a label may hold brackets
