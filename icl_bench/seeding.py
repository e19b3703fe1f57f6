"""Named random streams: every base draw of a block is a pure function of (seed, block, stream name).

The key never holds a model, a scenario, a severity or a noise level, so all of them share the same underlying
draws (common random numbers). The generator is counter-based (Philox 4x64, Salmon et al. 2011), float64, on the
CPU. Arrays are drawn example-major, so a longer prompt begins with the same examples as a shorter one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BLOCK_SIZE = 256
"""Prompts in a block: the unit of drawing, predicting, scoring and storing."""

TUNING_SEEDS = 2**61
"""First seed of prompts for tuning while training; a suite's seeds lie below, so no test prompt is ever tuned on."""

TRAINING_SEEDS = 2**62
"""First seed of training prompts."""

Array = NDArray[np.float64]


def checked_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    """Return the seeds of a suite; ValueError unless each is from 0 to below `TUNING_SEEDS` and comes once."""
    if not seeds or min(seeds) < 0:
        raise ValueError("expected a list of at least one whole number >= 0")
    if max(seeds) >= TUNING_SEEDS:
        raise ValueError("expected seeds below 2^61: larger ones draw training and tuning prompts")
    if len(set(seeds)) != len(seeds):
        raise ValueError("expected each seed once")
    return tuple(seeds)


class Streams:
    """The named random streams of one block.

    Each call starts its stream from the beginning, so the order of calls does not matter and two callers that name
    the same stream get the same numbers. `digest()` covers every base draw that was handed out so far.
    """

    def __init__(self, seed: int, block: int | None) -> None:
        if seed < 0 or (block is not None and block < 0):
            raise ValueError(f"seed and block are expected to be >= 0, got seed={seed}, block={block}")
        self.seed = seed
        self.block = block
        self._record: dict[str, bytes] = {}

    def across_blocks(self) -> Streams:
        """Return the streams that all blocks of this seed share (a draw made once for a whole evaluation)."""
        shared = Streams(self.seed, None)
        shared._record = self._record
        return shared

    def _generator(self, name: str) -> np.random.Generator:
        where = "all" if self.block is None else str(self.block)
        key = hashlib.blake2b(f"icl-bench/{self.seed}/{where}/{name}".encode(), digest_size=16).digest()
        return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))

    def _keep(self, kind: str, name: str, values: Array) -> Array:
        key = f"{kind}/{'all' if self.block is None else 'block'}/{name}/{values.shape}"
        if key not in self._record:
            contents = np.ascontiguousarray(values).astype("<f8", copy=False)
            self._record[key] = hashlib.blake2b(contents.data, digest_size=16).digest()
        return values

    def normal(self, name: str, shape: tuple[int, ...]) -> Array:
        """Return standard normal draws of `shape` from the stream `name`."""
        return self._keep("normal", name, self._generator(name).standard_normal(shape))

    def uniform(self, name: str, shape: tuple[int, ...]) -> Array:
        """Return draws of `shape` from the stream `name`, uniform on the open interval (0, 1)."""
        draws = self._generator(name).random(shape)
        return self._keep("uniform", name, np.maximum(draws, np.finfo(np.float64).tiny))

    def exponential(self, name: str, shape: tuple[int, ...]) -> Array:
        """Return draws of `shape` from the stream `name`, exponential with mean 1."""
        return self._keep("exponential", name, self._generator(name).standard_exponential(shape))

    def digest(self) -> str:
        """Return the hex digest of every base draw handed out, whatever the order of the calls."""
        total = hashlib.blake2b(digest_size=16)
        for key in sorted(self._record):
            total.update(key.encode())
            total.update(self._record[key])
        return total.hexdigest()
