"""Base draws, handed out already indexed for the rows of a prompt, and already inside a factor's name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from icl_bench.arrays import Array
from icl_bench.digests import raw_digest
from icl_bench.laws.sizes import PromptRows
from icl_bench.seeding import BLOCK_SIZE, Streams

Kind = Literal["normal", "uniform", "exponential"]

OWN = ""
"""Names the stream that is called like the factor itself: `covariates`, `task`, `noise`."""


def check_prompts_per_draw(value: int) -> None:
    """Raise ValueError unless `value` divides the block size."""
    if value < 1 or BLOCK_SIZE % value:
        raise ValueError(f"prompts_per_draw: expected a divisor of {BLOCK_SIZE}, got {value}")


class Clusters:
    """How many consecutive prompts share a random part: the largest `shared_by` that was asked for."""

    def __init__(self) -> None:
        self.size = 1

    def note(self, shared_by: int) -> None:
        """Take in one more random part."""
        self.size = max(self.size, shared_by)


@dataclass(frozen=True)
class Draws:
    """Named base draws of one block of prompts, float64 on the CPU.

    A part names its own variables; the law scopes them to the factor's name, so two factors never share a draw, and a
    factor draws the same alone and in a product. One variable has one shape and one kind (ValueError otherwise).
    """

    streams: Streams
    rows: PromptRows
    scope: str = ""
    chosen: tuple[int, ...] | None = None  # the rows that `per_example` hands out; None: all
    clusters: Clusters = field(default_factory=Clusters)

    def scoped(self, name: str) -> Draws:
        """Return the draws of a factor, or of a part within one."""
        return replace(self, scope=self._path(name))

    def at(self, rows: tuple[int, ...]) -> Draws:
        """Return the same draws, `per_example` for these rows alone."""
        return replace(self, chosen=rows)

    def _path(self, name: str) -> str:
        return f"{self.scope}/{name}" if self.scope and name else self.scope or name

    def per_prompt(self, name: str, shape: tuple[int, ...] = (), kind: Kind = "normal", shared_by: int = 1) -> Tensor:
        """Return one draw for every `shared_by` consecutive prompts (a divisor of 256), (prompt, *shape)."""
        check_prompts_per_draw(shared_by)
        self.clusters.note(shared_by)
        drawn = _drawn(self.streams, kind, self._path(name), (BLOCK_SIZE // shared_by, *shape))
        return torch.from_numpy(drawn).repeat_interleave(shared_by, dim=0)

    def per_position(self, name: str, shape: tuple[int, ...] = (), kind: Kind = "normal") -> Tensor:
        """Return one draw for each position, the same for all queries of a size: (prompt, n_context + 1, *shape)."""
        return self._sequence(self._path(name), shape, kind)

    def per_example(self, name: str, shape: tuple[int, ...] = (), kind: Kind = "normal") -> Tensor:
        """Return one draw for each row, (prompt, row, *shape); the first query of size k has example k's."""
        path, keys = self._path(name), self.rows.keys
        wanted = [keys[row] for row in self.chosen] if self.chosen is not None else list(keys)
        own = self._sequence(path, shape, kind)
        drawn = own[:, torch.tensor([position for position, _ in wanted], dtype=torch.long)]
        further = sorted({repeat for _, repeat in wanted} - {0})
        for repeat in further:  # a stream each: none depends on how many there are
            places = torch.tensor([place for place, key in enumerate(wanted) if key[1] == repeat])
            positions = torch.tensor([position for position, own_repeat in wanted if own_repeat == repeat])
            drawn[:, places] = self._sequence(f"{path}/query {repeat}", shape, kind)[:, positions]
        return drawn

    def _sequence(self, path: str, shape: tuple[int, ...], kind: Kind) -> Tensor:
        """Draw example-major, so that a longer prompt begins with the examples of a shorter one."""
        drawn = _drawn(self.streams, kind, path, (self.rows.n_context + 1, BLOCK_SIZE, *shape))
        return torch.from_numpy(drawn).transpose(0, 1)

    def per_law(self, name: str, shape: tuple[int, ...], kind: Kind = "normal", number: int = 0) -> Tensor:
        """Return one draw of the law itself, (1, *shape): the same whatever the seed, in training and in testing."""
        return torch.from_numpy(_drawn(self.streams.of_law(number), kind, self._path(name), shape))[None]

    def per_key(self, name: str, keys: Sequence[bytes], number: int = 0) -> Array:
        """Return a uniform draw of the law for each key, (key,): equal keys share it, whatever else is among them."""
        path = f"icl-bench/law {number}/{self._path(name)}/".encode()
        hashed = [raw_digest([path, key], 8) for key in keys]
        whole = np.frombuffer(b"".join(hashed), dtype="<u8").astype(np.float64)
        return np.minimum((whole + 0.5) / 2.0**64, 1.0 - 2.0**-53)


def _drawn(streams: Streams, kind: Kind, path: str, shape: tuple[int, ...]) -> Array:
    draw = {"normal": streams.normal, "uniform": streams.uniform, "exponential": streams.exponential}.get(kind)
    if draw is None:
        raise ValueError(f"kind: expected normal, uniform or exponential, got {kind!r}")
    return draw(path, shape)
