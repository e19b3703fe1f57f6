"""Which context sizes are asked for, and the rows that a prompt then has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Sizes:
    """Which context sizes are asked for, how many queries each, and which sizes cannot be had.

    Raises ValueError unless sizes are distinct, increasing and not negative.
    """

    context_sizes: tuple[int, ...]  # increasing, distinct
    queries_per_context: int = 1
    skipped: tuple[tuple[int, str], ...] = ()  # sizes that the law cannot have, and why

    def __post_init__(self) -> None:
        sizes = self.context_sizes
        if not sizes or any(size < 0 for size in sizes) or list(sizes) != sorted(set(sizes)):
            raise ValueError(f"context sizes: expected increasing numbers from 0, got {sizes}")
        if self.queries_per_context < 1:
            raise ValueError(f"queries_per_context: expected at least 1, got {self.queries_per_context}")

    @property
    def n_context(self) -> int:
        """Examples in a prompt: the largest context size, skipped ones included."""
        return max([*self.context_sizes, *(size for size, _ in self.skipped)])

    def without(self, impossible: Callable[[int], bool], reason: str) -> Self:
        """Return the sizes with those that are `impossible` skipped for a reason; ValueError when none is left."""
        kept = tuple(size for size in self.context_sizes if not impossible(size))
        if not kept:
            raise ValueError(f"no context size is left: {reason}; got context_sizes = {list(self.context_sizes)}")
        gone = tuple((size, reason) for size in self.context_sizes if impossible(size))
        return replace(self, context_sizes=kept, skipped=tuple(sorted((*self.skipped, *gone))))


@dataclass(frozen=True)
class PromptRows:
    """The rows of a prompt: its examples, then what is only a query.

    A row has a position (how many examples come before it: i for example i, k for every query of size k) and a repeat
    (0: the sequence's own; r >= 1: the r-th further query of that size). Where a law is not `forked`, the first query
    of size k IS example k, and there is one row for both.
    """

    n_context: int
    keys: tuple[tuple[int, int], ...]  # (row,) position and repeat
    queries: tuple[int, ...]  # (query,) row of each query, size by size
    sizes: tuple[int, ...]  # (query,) context size of each query

    @classmethod
    def of(cls, sizes: Sizes, forked: bool) -> PromptRows:
        """Return the rows that a law of these sizes has."""
        n_context = sizes.n_context
        keys = [(position, 0) for position in range(n_context)]
        asked = [(size, repeat) for size in sizes.context_sizes for repeat in range(sizes.queries_per_context)]
        queries = []
        for size, repeat in asked:
            if not forked and repeat == 0 and size < n_context:
                queries.append(size)
            else:
                queries.append(len(keys))
                keys.append((size, repeat))
        return cls(n_context, tuple(keys), tuple(queries), tuple(size for size, _ in asked))

    @property
    def n_rows(self) -> int:
        """Rows in all."""
        return len(self.keys)

    @cached_property
    def position(self) -> Tensor:
        """How many examples come before each row, (row,)."""
        return torch.tensor([position for position, _ in self.keys], dtype=torch.long)

    @cached_property
    def repeat(self) -> Tensor:
        """Which query of its size each row is, (row,): 0 for examples and first queries."""
        return torch.tensor([repeat for _, repeat in self.keys], dtype=torch.long)

    @cached_property
    def in_context(self) -> Tensor:
        """Which rows are examples, (row,); one that is an example and a query counts as an example."""
        return torch.arange(self.n_rows) < self.n_context

    def of_size(self, size: int) -> tuple[int, ...]:
        """Return the rows of the queries of one context size."""
        return tuple(row for row, own in zip(self.queries, self.sizes, strict=True) if own == size)
