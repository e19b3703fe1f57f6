"""What the dial of a scenario measures, in words for an axis, where it is one of the package's own."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable

DIALS = {
    "covariate/errors_in_variables": "error variance Δ",
    "covariate/heavy_tail": "degrees of freedom",
    "covariate/mean": "displacement m of x",
    "covariate/orthant": "share of dimensions in one orthant",
    "covariate/random_diagonal": "mean variance c of a covariate",
    "covariate/scale": "scale c of x",
    "covariate/spectrum": "spectral decay p",
    "covariate/subspace": "share r/d of dimensions",
    "length/interpolation": "examples beyond d",
    "length/ratio": "context size, test over training",
    "noise/heavy_tail": "degrees of freedom",
    "noise/heteroscedastic": "share of variance that follows |x|²",
    "noise/label_flip": "share of labels flipped",
    "noise/variance": "noise variance",
    "query/covariance": "spectral decay p of the query",
    "query/mean": "displacement m of the query",
    "query/orthogonal": "share of the turn away from the context",
    "query/scale": "scale c of the query",
    "query/seen": "query among its context: 0 no, 1 yes",
    "table/tilt": "tilt between the sides of the table",
    "task/change_point": "place of the change, share of the context",
    "task/scale": "scale c of the task",
}
"""Scenario -> what its severity is; a scenario that is not here is called severity."""


def dial_names(scenarios: Iterable[str], suite_text: str) -> dict[str, str]:
    """Return label -> what its dial measures, of the scenarios that are the package's own.

    A label says which scenario it is unless the suite gave it a name; then the suite's text does, as far as it can be
    read.
    """
    named = _named(suite_text)
    used = {label: named.get(label, label) for label in scenarios}
    return {label: DIALS[use] for label, use in used.items() if use in DIALS}


def _named(suite_text: str) -> dict[str, str]:
    """Return label -> scenario, of those that a suite gives a name."""
    try:
        listed = tomllib.loads(suite_text).get("scenarios", [])
        return {item["name"]: str(item.get("use", "")) for item in listed if "name" in item}
    except (tomllib.TOMLDecodeError, AttributeError, TypeError):
        return {}
