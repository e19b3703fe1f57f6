"""The canonical form of a law: the same text for the same law on every machine, and its digest."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from icl_bench.digests import text_digest


def canonical(value: Any) -> Any:
    """Return nested plain values that spell out a law: every dataclass as its name and fields, floats exactly.

    Fields that do not tell two laws apart (`compare=False`) are left out.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = [field.name for field in dataclasses.fields(value) if field.compare]
        fields = {name: canonical(getattr(value, name)) for name in named}
        return {"law": type(value).__name__, **fields}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value.hex()
    raise TypeError(f"a law holds a value with no canonical form: {type(value).__name__}")


def law_digest(law: Any) -> str:
    """Return the hex digest of a law's canonical form."""
    return text_digest(json.dumps(canonical(law), sort_keys=True, separators=(",", ":")))
