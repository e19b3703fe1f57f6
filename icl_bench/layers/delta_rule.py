"""The delta rule at linear cost: a chunk's corrections are one triangular system, a short loop runs across chunks.

The recurrence is S_t = (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T, read as o_t = S_t^T q_t, from S_0 = 0 (Schlag
et al. 2102.11174, section 4.2; the state is transposed here). Inside a chunk that starts from S it is
S_t = S + sum_{i <= t} k_i d_i^T with d_t = beta_t (v_t - (S + sum_{i < t} k_i d_i^T)^T k_t): a unit triangular system
for the d_t, linear in S (the UT form of Yang et al. 2406.06484, section 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from icl_bench.layers.packing import Passage

CHUNK = 64
"""Tokens whose corrections are solved for at once; the cost is linear in the length beyond it."""


@dataclass(frozen=True, slots=True)
class DeltaSteps:
    """What each token corrects in the state and asks of it."""

    query: Tensor  # (prompt, head, token, key)
    key: Tensor  # (prompt, head, token, key)
    value: Tensor  # (prompt, head, token, value)
    beta: Tensor  # (prompt, head, token, 1) strength of the correction


def delta_rule(tokens: DeltaSteps, queries: DeltaSteps | None, seen: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return what tokens read, (prompt, head, token, value), and what queries behind `seen` (query,) tokens read.

    A query's own step reads S at q - beta (k . q) k, and adds beta (k . q) v.
    """
    if queries is None or seen is None:
        return corrected_along(tokens), None
    passage = Passage.through(tokens.query.shape[2], seen)
    own = queries.beta * (queries.key * queries.query).sum(dim=-1, keepdim=True)  # (prompt, head, query, 1)
    joined = DeltaSteps(
        passage.joined(tokens.query, queries.query - own * queries.key),
        passage.joined(tokens.key),
        passage.joined(tokens.value),
        passage.joined(tokens.beta),
    )
    mixed, answers = passage.parted(corrected_along(joined))
    return mixed, answers + own * queries.value


def corrected_along(steps: DeltaSteps) -> Tensor:
    """Return o_t at every token, (prompt, head, token, value)."""
    length = steps.query.shape[2]
    n_chunks = max(1, math.ceil(length / CHUNK))
    chunk = max(1, math.ceil(length / n_chunks))

    def cut(rows: Tensor) -> Tensor:
        missing = n_chunks * chunk - length
        filled = pad(rows, (0, 0, 0, missing)) if missing else rows
        return filled.reshape(*rows.shape[:2], n_chunks, chunk, rows.shape[-1])  # (prompt, head, chunk, token, channel)

    query, key, value, beta = cut(steps.query), cut(steps.key), cut(steps.value), cut(steps.beta)
    # The diagonal is taken as 1; entry (t, i < t) is beta_t k_t . k_i.
    system = (beta * key) @ key.mT  # (prompt, head, chunk, token, token)
    later = torch.ones(chunk, chunk, dtype=torch.bool, device=key.device).triu(1)
    seen = (query @ key.mT).masked_fill(later, 0.0)  # (prompt, head, chunk, token, token)
    if n_chunks == 1:
        read: Tensor = seen @ _solved(system, beta * value)
    else:
        solved = _solved(system, beta * torch.cat([value, key], dim=-1))
        of_value, of_state = solved[..., : value.shape[-1]], solved[..., value.shape[-1] :]
        asked = query - seen @ of_state  # the chunk's corrections change what is read of the state before it
        read = seen @ of_value + asked @ _starts(key, of_value, of_state)
    return read.flatten(2, 3)[:, :, :length]


def _solved(system: Tensor, right: Tensor) -> Tensor:
    solution: Tensor = torch.linalg.solve_triangular(system, right, upper=False, unitriangular=True)
    return solution


def _starts(key: Tensor, of_value: Tensor, of_state: Tensor) -> Tensor:
    """Return the state at each chunk's start, (prompt, head, chunk, key, value): S + K^T (U - W S) after each chunk."""
    added, taken = key.mT @ of_value, key.mT @ of_state  # (prompt, head, chunk, key, value or key)
    states = [torch.zeros_like(added[:, :, 0])]
    for gain, loss in zip(added.unbind(2)[:-1], taken.unbind(2)[:-1], strict=True):
        states.append(states[-1] + gain - loss @ states[-1])
    return torch.stack(states, dim=2)
