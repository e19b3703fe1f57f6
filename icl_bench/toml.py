"""TOML files read, and where each key stands, for messages that name a line."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from icl_bench.errors import DocumentError

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


def read_toml(path: Path, kind: str, refused: type[DocumentError]) -> tuple[dict[str, Any], TomlLines]:
    """Return a TOML file's document and the lines of its keys; `refused` says why it cannot be read.

    `kind` names what was expected in messages: suite, recipe.
    """
    if path.is_dir():
        raise refused([f"{path}: expected a {kind} file (TOML), got a folder; name the file inside it"])
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise refused([f"{path}: no such file; `icl-bench list {kind}s` shows the {kind}s that ship"]) from error
    except OSError as error:
        raise refused([f"{path}: cannot be read: {error.strerror}"]) from error
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refused([f"{path}: expected a text file in UTF-8 (TOML), got other bytes at {error.start}"]) from error
    try:
        return tomllib.loads(text), TomlLines(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = re.search(r"line (\d+)", str(error))
        where = f"{path}:{place[1]}" if place else f"{path}"
        raise refused([f"{where}: not valid TOML: {error}"]) from error
