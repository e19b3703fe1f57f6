"""Packed queries met on the way: a recurrence passes tokens and queries in one order, and queries only read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Passage:
    """The order in which a recurrence meets tokens and queries: query j right behind the first `seen[j]` tokens.

    A query that changes nothing in the state reads the snapshot it needs, at the cost of one token, however many
    context sizes are asked for.
    """

    order: Tensor  # (token + query,) which of tokens and queries, put end to end, comes at each step
    steps: Tensor  # (token + query,) at which step each of them comes
    n_tokens: int

    @classmethod
    def through(cls, n_tokens: int, seen: Tensor) -> Passage:
        """Return the order for queries that see the first `seen` tokens, (query,), each in 0..n_tokens."""
        tokens = 2 * torch.arange(n_tokens, device=seen.device) + 1
        order = torch.cat([tokens, 2 * seen]).argsort(stable=True)
        return cls(order, order.argsort(), n_tokens)

    def joined(self, tokens: Tensor, queries: Tensor | None = None) -> Tensor:
        """Return (prompt, head, token + query, channel) in the order of passage; without `queries`, zeros at them."""
        # Rows are put in their places, not picked: the gradient of putting is a gather, that of picking a slow sum.
        rows = tokens if queries is None else torch.cat([tokens, queries], dim=2)
        empty = rows.new_zeros(*rows.shape[:2], len(self.order), rows.shape[-1])
        return empty.index_copy(2, self.steps[: rows.shape[2]], rows)

    def parted(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return what came at the tokens and at the queries, from rows in the order of passage."""
        back = torch.zeros_like(rows).index_copy(2, self.order, rows)
        return back[:, :, : self.n_tokens], back[:, :, self.n_tokens :]
