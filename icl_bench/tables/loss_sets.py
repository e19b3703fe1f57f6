"""What is known of stored losses before any is read: prompt sets, and what became of each model on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from icl_bench.places import Place
from icl_bench.tables.manifest import Manifest

ModelLosses = dict[str, dict[str, NDArray[np.float32]]]
"""model -> loss column -> (prompt, size)"""


@dataclass(frozen=True, slots=True)
class StoredCell:
    """What became of one model on one prompt set."""

    status: str  # ok | error | timeout | nan | skipped | looked_up | missing
    message: str
    absent: Mapping[str, str] = field(default_factory=dict)  # loss column -> why it has no value
    tails: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)  # column -> tail index at each size


@dataclass(frozen=True, slots=True)
class LossSet:
    """All stored losses on the prompts of one scenario, severity and seed."""

    place: Place
    seed: int
    n_prompts: int
    context_sizes: tuple[int, ...]
    headline_size: int
    cluster_size: int | None  # prompts that share a random part; None: all of the seed
    digests: tuple[str, ...]  # of the prompts, a block each
    cells: Mapping[str, StoredCell]  # model -> what became of it; `(prompts)` among them

    @property
    def key(self) -> tuple[Place, int]:
        """What names the same prompt set in another run."""
        return (self.place, self.seed)

    def positions(self, sizes: Sequence[int] | None) -> slice | list[int]:
        """Return where context sizes lie in the arrays of losses; None: all of them."""
        return slice(None) if sizes is None else [self.context_sizes.index(size) for size in sizes]

    @property
    def name(self) -> str:
        """`covariate/scale 2, seed 0`."""
        return f"{self.place.name}, seed {self.seed}"


class StoredLosses(Protocol):
    """The losses of a run or baseline."""

    folder: Path
    manifest: Manifest
    sets: tuple[LossSet, ...]

    def read(self, loss_set: LossSet, columns: Sequence[str], sizes: Sequence[int] | None = None) -> ModelLosses:
        """Return the losses on one of `sets` at `sizes` (all context sizes by default).

        Models that are not ok and absent columns are left out.
        """
        ...
