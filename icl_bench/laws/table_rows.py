"""Prompts cut from a real table: x and y from its rows, context and query from two disjoint sides of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from icl_bench.arrays import Array
from icl_bench.digests import bytes_digest
from icl_bench.laws.draws import Draws
from icl_bench.laws.parts import RowsPart
from icl_bench.laws.sizes import PromptRows


@dataclass(frozen=True, eq=False)
class DataTable:
    """A table as prompts are cut from it: columns and label of mean 0 and variance 1."""

    x: Array  # (table row, dim)
    y: Array  # (table row,)
    columns: tuple[str, ...]

    @functools.cached_property
    def keys(self) -> tuple[bytes, ...]:
        """The content of each row: equal rows have equal keys."""
        whole = np.column_stack([self.x, self.y]).astype("<f8")
        return tuple(row.tobytes() for row in whole)

    @functools.cached_property
    def digest(self) -> str:
        """Hex digest of the content and the names of its columns."""
        return bytes_digest([repr(self.columns).encode(), *self.keys])


@dataclass(frozen=True)
class TableRows(RowsPart):
    """Rows of a table, cut into a source side, which gives contexts, and a target side, which gives queries.

    Each row falls to the source with probability 1/(1 + exp(-tilt u)), u the normal score of its rank in `column`, by
    a coin of the law: the same for every prompt and seed, shared by equal rows, so that severities move rows between
    the sides. At tilt 0 the sides are halves of one law.

    A prompt's context is the front of its permutation of the source, its queries the front of one of the target: one
    set of query rows for all context sizes. Raises ValueError where a side has fewer rows than a prompt needs.
    """

    n_dims: int = field()
    load: Callable[[], DataTable] = field(compare=False)
    digest: str  # of the table
    column: int = 0
    tilt: float = 0.0
    number: int = 0  # tells the law's coins apart

    def sides(self, draws: Draws) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the table rows of the source and of the target, in the order of the table."""
        from scipy.special import ndtri

        table = self.load()
        values = table.x[:, self.column]
        ordered = np.sort(values)
        ranks = (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2
        coin = draws.per_key("side", table.keys, self.number)
        with np.errstate(over="ignore"):
            source = coin < 1.0 / (1.0 + np.exp(-self.tilt * ndtri(ranks / len(values))))
        return np.flatnonzero(source), np.flatnonzero(~source)

    def check(self, draws: Draws) -> None:
        """Raise ValueError when a side has fewer rows than a prompt needs."""
        self._large_enough(self.sides(draws), draws.rows)

    def _large_enough(self, sides: tuple[NDArray[np.intp], NDArray[np.intp]], rows: PromptRows) -> None:
        needed = rows.n_context, 1 + max(repeat for _, repeat in rows.keys)
        for name, side, least in zip(("source", "target"), sides, needed, strict=True):
            if len(side) < least:
                raise ValueError(
                    f"the {name} side has {len(side)} of the table's {len(self.load().y)} rows, expected at least"
                    f" {least}: ask for a smaller tilt, fewer context sizes or fewer queries"
                )

    def sample(self, rows: PromptRows, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return x (prompt, row, dim) and y (prompt, row)."""
        table = self.load()
        source, target = self.sides(draws)
        self._large_enough((source, target), rows)
        repeats = 1 + max(repeat for _, repeat in rows.keys)
        context = self._front("context", source, rows.n_context, draws)
        queries = self._front("query", target, repeats, draws)
        own = np.array([repeat for _, repeat in rows.keys[rows.n_context :]], dtype=np.intp)
        chosen = np.concatenate([context, queries[:, own]], axis=1)  # (prompt, row) of the table
        return torch.from_numpy(table.x[chosen]), torch.from_numpy(table.y[chosen])

    def _front(self, name: str, side: NDArray[np.intp], count: int, draws: Draws) -> NDArray[np.intp]:
        """Return the first `count` rows of each prompt's permutation of one side, (prompt, count)."""
        keys = draws.per_prompt(name, (len(self.load().y),), "uniform").numpy()[:, side]
        order: NDArray[np.intp] = side[np.argsort(keys, axis=1, kind="stable")[:, :count]]
        return order
