"""Digests: what names a text, a value, a file or an array by its content. BLAKE2b, the same on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SIZE = 16
"""Bytes of a digest: 32 hex digits."""


def raw_digest(parts: Iterable[bytes | memoryview], size: int = SIZE) -> bytes:
    """Return the digest, `size` bytes, of bytes one after another; how they are cut into parts does not count."""
    total = hashlib.blake2b(digest_size=size)
    for part in parts:
        total.update(part)
    return total.digest()


def bytes_digest(parts: Iterable[bytes | memoryview], size: int = SIZE) -> str:
    """Return the hex digest, 2 `size` digits, of bytes one after another."""
    return raw_digest(parts, size).hex()


def text_digest(text: str) -> str:
    """Return the hex digest of a text."""
    return bytes_digest([text.encode()])


def combined_digest(texts: Iterable[str]) -> str:
    """Return the hex digest of texts one after another: of a prompt set, from the digests of its blocks."""
    return bytes_digest(text.encode() for text in texts)


def content_digest(content: Any) -> str:
    """Return the hex digest of nested plain values, whatever the order of keys; what JSON lacks counts as its text."""
    return text_digest(json.dumps(content, sort_keys=True, default=str))


def file_digest(path: Path) -> str:
    """Return the hex digest of a file's bytes; OSError when it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=SIZE)).hexdigest()


def whole_number(text: str, size: int = SIZE) -> int:
    """Return the number in [0, 256^size) that a text stands for, to seed a generator with."""
    return int.from_bytes(raw_digest([text.encode()], size), "little")
