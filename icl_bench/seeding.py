"""Named random streams: every base draw of a block is a pure function of (seed, block, stream name).

The key never holds a model, a scenario, a severity or a noise level, so all of them share the same underlying
draws (common random numbers). The generator is counter-based (Philox 4x64, Salmon et al. 2011), float64, on the
CPU. Arrays are drawn example-major, so a longer prompt begins with the same examples as a shorter one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.random  # now, not at the first draw: its import swallows a Ctrl-C that comes meanwhile

from icl_bench.arrays import Array
from icl_bench.digests import bytes_digest, raw_digest, whole_number

BLOCK_SIZE = 256
"""Prompts in a block: the unit of drawing, predicting, scoring and storing."""

TUNING_SEEDS = 2**61
"""First seed of prompts for tuning while training; a suite's seeds lie below, so no test prompt is ever tuned on."""

TRAINING_SEEDS = 2**62
"""First seed of training prompts."""


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
    the same stream get the same numbers. A stream has one shape and one kind (ValueError otherwise: two callers would
    share numbers by accident). `digest()` covers every base draw that was handed out so far.
    """

    def __init__(self, seed: int, block: int) -> None:
        if seed < 0 or block < 0:
            raise ValueError(f"seed and block are expected to be >= 0, got seed={seed}, block={block}")
        self.seed = seed
        self.block = block
        self._where = f"{seed}/{block}"
        self._record: dict[str, tuple[str, tuple[int, ...], bytes]] = {}

    def of_law(self, number: int = 0) -> Streams:
        """Return the streams of the law itself, the same for every seed and block; `number` tells laws apart."""
        shared = Streams(self.seed, self.block)
        shared._where = f"law {number}"
        shared._record = self._record
        return shared

    def anew(self) -> Streams:
        """Return the same streams with nothing handed out yet: for another law drawn from the same block."""
        return Streams(self.seed, self.block)

    @property
    def names(self) -> frozenset[str]:
        """The streams handed out so far: `seed/block/path`, or `law number/path`."""
        return frozenset(self._record)

    def _generator(self, name: str) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=whole_number(f"icl-bench/{self._where}/{name}")))

    def _keep(self, kind: str, name: str, values: Array) -> Array:
        key = f"{self._where}/{name}"
        known = self._record.get(key)
        if known is None:
            contents = np.ascontiguousarray(values).astype("<f8", copy=False)
            self._record[key] = (kind, values.shape, raw_digest([contents.data]))
        elif known[:2] != (kind, values.shape):
            raise ValueError(
                f"the stream {name!r} was drawn as {known[0]} {known[1]} and again as {kind} {values.shape}: expected"
                " one kind and one shape; give the second variable a name of its own"
            )
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
        parts: list[bytes] = []
        for key, (kind, shape, digest) in sorted(self._record.items()):
            parts += [f"{key}/{kind}/{shape}".encode(), digest]
        return bytes_digest(parts)
