"""How prompts become tokens, and where each query's answer is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from icl_bench.prompts import PromptBatch

Layout = Literal["interleaved", "paired", "shifted"]


@dataclass(frozen=True, slots=True)
class Sequence:
    """Tokens of a batch of prompts: queries are among the context tokens, or packed behind them."""

    tokens: Tensor  # (prompt, token, n_inputs)
    queries: Tensor | None  # (prompt, query, n_inputs), None when a query is a token of the sequence
    seen: Tensor  # (query,) how many tokens stand before each query


def n_inputs(layout: Layout, n_dims: int) -> int:
    """Return the width of a token: x and y take turns (Garg et al. 2208.01066), or stand in one token."""
    return n_dims if layout == "interleaved" else n_dims + 1


def sequence_of(prompts: PromptBatch, layout: Layout) -> Sequence:
    """Return the tokens of a batch.

    interleaved: x_1, y_1, x_2, y_2, ... with y padded by zeros; when query j IS the next example, its token is in the
    sequence. paired: (x_1, y_1), (x_2, y_2), ... and each query (x, 0) behind, so that the answer cannot be read off.
    shifted: (x_1, 0), (x_2, y_1), (x_3, y_2), ... and a query after k examples as (x, y_k): each input stands with the
    label before its own (Kirsch et al. 2212.04458).
    """
    longest = max(prompts.context_sizes)
    x, y = prompts.context_x[:, :longest], prompts.context_y[:, :longest]
    sizes = torch.tensor(prompts.context_sizes, device=x.device)
    if layout == "paired":
        return Sequence(torch.cat([x, y[..., None]], dim=-1), pad(prompts.query_x, (0, 1)), sizes)
    if layout == "shifted":
        return _shifted(prompts, x, y, sizes)
    labels = pad(y[..., None], (0, prompts.n_dims - 1))
    tokens = torch.stack([x, labels], dim=2).flatten(1, 2)  # (prompt, 2 * longest, dim)
    if not prompts.next_example:
        return Sequence(tokens, prompts.query_x, 2 * sizes)
    last = prompts.context_sizes.index(longest)
    return Sequence(torch.cat([tokens, prompts.query_x[:, last : last + 1]], dim=1), None, 2 * sizes)


def _shifted(prompts: PromptBatch, x: Tensor, y: Tensor, sizes: Tensor) -> Sequence:
    """Return the shifted layout of the examples x (prompt, context, dim) with labels y (prompt, context)."""
    before = pad(y, (1, 0))[..., None]  # (prompt, context + 1, 1) y_0 = 0, y_1, ..., y_longest
    tokens = torch.cat([x, before[:, :-1]], dim=-1)
    queries = torch.cat([prompts.query_x, before[:, sizes]], dim=-1)
    if not prompts.next_example:
        return Sequence(tokens, queries, sizes)
    last = prompts.context_sizes.index(x.shape[1])
    return Sequence(torch.cat([tokens, queries[:, last : last + 1]], dim=1), None, sizes)
