"""card.toml: written from a card, read back strictly, every problem told with its file and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from icl_bench.checkpoints.card import FORMAT, Card, DataLaw, TrainedBy, Weights
from icl_bench.errors import CheckpointError
from icl_bench.names import nearest
from icl_bench.toml import TomlLines

LARGEST_CARD = 1 << 20  # bytes

_Count = Annotated[int, Field(ge=0)]
_Positive = Annotated[int, Field(ge=1)]
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class _Section(BaseModel):
    """A table of card.toml: all keys must be there, and no other."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class _Architecture(_Section):
    name: str
    n_dims: _Positive
    arguments: dict[str, Any]


class _Law(_Section):
    function_class: str
    n_dims: _Positive
    noise_std: Annotated[float, Field(ge=0.0)]
    n_context: _Count
    digest: _Digest
    function_class_arguments: dict[str, Any]
    scenarios: list[dict[str, Any]]


class _Recipe(_Section):
    name: str
    version: _Count
    digest: Annotated[str, Field(pattern=r"^([0-9a-f]{32})?$")]


class _Training(_Section):
    n_context: _Count
    steps: _Count
    prompts_seen: _Count
    seed: _Count
    losses: dict[str, float]
    recipe: _Recipe
    law: _Law


class _Weights(_Section):
    file: Annotated[str, Field(pattern=r"^weights(\.b)?\.safetensors$")]
    digest: _Digest
    n_parameters: _Positive
    dtype: Literal["float32", "float64"]


class _Origin(_Section):
    author: str
    licence: str
    hardware: str
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    icl_bench_version: str
    torch_version: str


class _Document(_Section):
    format: Literal[1]
    notes: str
    architecture: _Architecture
    weights: _Weights
    origin: _Origin
    training: _Training


def card_text(card: Card) -> str:
    """Return a card as TOML; CheckpointError when it holds what card.toml cannot (None, nan, a bad digest)."""
    law = asdict(card.law)
    document = {
        "format": FORMAT,
        "notes": card.notes,
        "architecture": {"name": card.architecture, "n_dims": card.n_dims, "arguments": dict(card.arguments)},
        "weights": asdict(card.weights),
        "origin": {name: getattr(card, name) for name in _Origin.model_fields},
        "training": {
            "n_context": card.n_context,
            "steps": card.steps,
            "prompts_seen": card.prompts_seen,
            "seed": card.seed,
            "losses": dict(card.losses),
            "recipe": asdict(card.recipe),
            "law": {**law, "scenarios": list(law["scenarios"])},
        },
    }
    try:
        text = tomli_w.dumps(document)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"a card holds what TOML cannot: {error}; expected plain values") from error
    parse_card(text, "the card to be written")
    return text


def read_card(path: Path) -> Card:
    """Return the card at `path`; CheckpointError names every problem with its file and line."""
    try:
        if path.stat().st_size > LARGEST_CARD:
            raise CheckpointError(
                f"{path}: expected a card of at most {LARGEST_CARD} bytes; it is no card.toml of ours"
            )
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path}: expected a text file in UTF-8 (TOML), got other bytes") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}; expected a checkpoint's card") from error
    return parse_card(text, str(path))


def parse_card(text: str, name: str) -> Card:
    """Return the card that `text` spells; `name` stands for the file in messages."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = re.search(r"line (\d+)", str(error))
        raise CheckpointError(f"{name}{f':{place[1]}' if place else ''}: not valid TOML: {error}") from error
    version = document.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise CheckpointError(
            f"{name}: written in format {version}; this icl-bench reads format {FORMAT}: install a newer icl-bench"
        )
    try:
        return _card(_Document.model_validate(document))
    except ValidationError as error:
        lines = TomlLines(text)
        problems = [_told(item, lines, name) for item in error.errors(include_url=False)]
        raise CheckpointError(
            "\n".join(text for _, text in sorted(problems, key=lambda problem: problem[0]))
        ) from error


def _card(document: _Document) -> Card:
    architecture, training = document.architecture, document.training
    law = training.law.model_dump()
    return Card(
        architecture=architecture.name,
        arguments=architecture.arguments,
        n_dims=architecture.n_dims,
        law=DataLaw(**{**law, "scenarios": tuple(law["scenarios"])}),
        recipe=TrainedBy(**training.recipe.model_dump()),
        weights=Weights(**document.weights.model_dump()),
        notes=document.notes,
        **training.model_dump(exclude={"law", "recipe"}),
        **document.origin.model_dump(),
    )


def _told(item: Mapping[str, Any], lines: TomlLines, name: str) -> tuple[int, str]:
    """Return the line of a problem that pydantic found, and the words for it."""
    place = tuple(item["loc"])
    line = lines.find(place)
    where = f"{name}:{line}" if line else name
    shown = ".".join(str(part) for part in place)
    if item["type"] == "extra_forbidden":
        known = _keys(place[:-1])
        said = f"unknown key{nearest(str(place[-1]), known)}; expected: {', '.join(known)}"
    elif item["type"] == "missing":
        said = "missing: it must be given"
    else:
        value = repr(item["input"])
        got = value if len(value) <= 80 else f"{value[:77]}..."
        said = (
            f"{item['msg'].replace('Input should be', 'expected').replace('String should', 'expected to')}, got {got}"
        )
    return line or 0, f"{where}: {shown}: {said}"


def _keys(place: tuple[str | int, ...]) -> list[str]:
    """Return the keys that the table at `place` may have."""
    section: Any = _Document
    for part in place:
        section = section.model_fields[part].annotation
    return list(section.model_fields)
