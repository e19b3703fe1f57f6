"""What is known about a trained network: its architecture, the law it was trained on, who trained it, its weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from icl_bench.layers.architecture import Architecture

FORMAT = 1
"""Version of card.toml that this package writes and reads."""


@dataclass(frozen=True, slots=True)
class DataLaw:
    """The law that training prompts were drawn from, in plain values."""

    function_class: str
    n_dims: int
    noise_std: float
    n_context: int  # the longest context
    digest: str  # of the `law_digest`s of what was mixed, in order; curriculum aside
    function_class_arguments: Mapping[str, Any] = field(default_factory=dict)
    scenarios: tuple[Mapping[str, Any], ...] = ()  # what was mixed in, one table each


@dataclass(frozen=True, slots=True)
class TrainedBy:
    """The recipe that training followed; all empty when there was none."""

    name: str = ""
    version: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Weights:
    """What identifies the weights; filled in by `write_checkpoint`."""

    digest: str = ""  # of names, shapes, number types and bytes of all tensors, in order of their names
    n_parameters: int = 0
    dtype: str = "float32"
    file: str = "weights.safetensors"


@dataclass(frozen=True, slots=True)
class Card:
    """The contents of card.toml. Every value is a plain TOML value, so None and nan have no place here."""

    architecture: str  # a name in the catalogue of models
    arguments: Mapping[str, Any]  # of the architecture
    n_dims: int
    law: DataLaw
    n_context: int  # the training length
    steps: int
    prompts_seen: int
    seed: int
    author: str
    licence: str
    hardware: str
    icl_bench_version: str
    torch_version: str
    date: str  # YYYY-MM-DD
    losses: Mapping[str, float] = field(default_factory=dict)  # at the end of training
    recipe: TrainedBy = TrainedBy()
    weights: Weights = Weights()
    notes: str = ""


def plain_arguments(architecture: Architecture) -> dict[str, Any]:
    """Return all arguments of an architecture as a card holds them; None (a default) has no TOML and is left out."""
    values = {item.name: getattr(architecture, item.name) for item in dataclasses.fields(architecture) if item.init}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items() if value is not None
    }
