"""A place in the headers of files: flat fields among the others, as they were before a place was a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from icl_bench.places import Place

_FIELDS = ("scenario", "severity", "severity_label", "point", "identity")


def with_flat_place(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record with those of its `place` in the place of it."""
    place: Place = fields["place"]
    flat = {
        "scenario": place.scenario,
        "severity": place.severity,
        "severity_label": place.label,
        "point": list(place.severities),
        "identity": place.identity,
    }
    return flat | {name: value for name, value in fields.items() if name != "place"}


def with_place(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `with_flat_place` was given; KeyError when a field of the place is missing."""
    place = Place(fields["scenario"], tuple(fields["point"]), fields["identity"])
    return {"place": place} | {name: value for name, value in fields.items() if name not in _FIELDS}
