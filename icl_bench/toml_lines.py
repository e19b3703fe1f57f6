"""Where each key of a TOML text stands, for messages that name a line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_HEADER = re.compile(r"^\s*(\[\[|\[)\s*([A-Za-z0-9_.\-\"' ]+?)\s*\]{1,2}\s*(#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_\-]+|\"[^\"]*\"|'[^']*')(\.[A-Za-z0-9_\-.]+)?\s*=")


class TomlLines:
    """Line numbers (from 1) of tables and keys; a place that was not found falls back to its parent."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._lines: dict[tuple[str | int, ...], int] = {}
        counts: Counter[str] = Counter()
        table: tuple[str | int, ...] = ()
        for number, line in enumerate(text.splitlines(), start=1):
            header = _HEADER.match(line)
            if header:
                name = header[2].strip("\"'")
                if header[1] == "[[":
                    table = (name, counts[name])
                    self._lines.setdefault((name,), number)
                    counts[name] += 1
                else:
                    first, *rest = name.split(".")
                    table = (first, *([counts[first] - 1] if counts[first] else []), *rest)
                self._lines.setdefault(table, number)
                continue
            key = _KEY.match(line)
            if key:
                self._lines.setdefault((*table, key[1].strip("\"'")), number)

    def find(self, place: Sequence[str | int]) -> int | None:
        """Return the line of `place`, or of the nearest place around it that has one."""
        path = tuple(place)
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return None
