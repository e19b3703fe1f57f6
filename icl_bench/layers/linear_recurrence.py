"""Linear attention with decay, at linear cost: matrix products inside chunks, a short loop across them.

The recurrence is S_t = diag(alpha_t) S_{t-1} + k_t v_t^T, read as o_t = S_t^T q_t, from S_0 = 0 and with alpha_t in
(0, 1]: no decay (Katharopoulos et al. 2006.16236, section 3.3), one factor a head (Sun et al. 2307.08621, section 2.1)
or one a key channel (Yang et al. 2312.06635, section 4). Every exponential taken is of a sum of log-decays: at most 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from icl_bench.layers.packing import Passage

CHUNK = 64
"""Tokens whose mutual influence is one matrix product; the cost is linear in the length beyond it."""
_BLOCK = 4  # tokens whose pairs are taken one by one when every channel decays on its own


@dataclass(frozen=True, slots=True)
class Steps:
    """What each token does to the state and asks of it."""

    query: Tensor  # (prompt, head, token, key)
    key: Tensor  # (prompt, head, token, key)
    value: Tensor  # (prompt, head, token, value)
    log_decay: Tensor | None = None  # (prompt or 1, head, token, key or 1), at most 0; None for no decay


def recurrence(tokens: Steps, queries: Steps | None, seen: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return what tokens read, (prompt, head, token, value), and what queries behind `seen` (query,) tokens read.

    A query's own step, o = S'^T q with S' = diag(alpha) S + k v^T, is a reading of S with alpha * q, plus (k . q) v.
    """
    if queries is None or seen is None:
        return read_along(tokens), None
    passage = Passage.through(tokens.query.shape[2], seen)
    asked, decays = queries.query, None
    if tokens.log_decay is not None and queries.log_decay is not None:
        asked = asked * queries.log_decay.exp()
        decays = passage.joined(tokens.log_decay)
    joined = Steps(
        passage.joined(tokens.query, asked),
        passage.joined(tokens.key),
        passage.joined(tokens.value),
        decays,
    )
    mixed, answers = passage.parted(read_along(joined))
    own = (queries.key * queries.query).sum(dim=-1, keepdim=True)  # (prompt, head, query, 1)
    return mixed, answers + own * queries.value


def read_along(steps: Steps) -> Tensor:
    """Return o_t at every token, (prompt, head, token, value)."""
    length = steps.query.shape[2]
    n_chunks = max(1, math.ceil(length / CHUNK))
    chunk = max(1, math.ceil(length / n_chunks))
    by_channel = steps.log_decay is not None and steps.log_decay.shape[-1] > 1
    if by_channel:
        halvings = max(0, math.ceil(math.log2(chunk / _BLOCK)))
        chunk = math.ceil(chunk / 2**halvings) * 2**halvings

    def cut(rows: Tensor) -> Tensor:
        missing = n_chunks * chunk - length
        filled = pad(rows, (0, 0, 0, missing)) if missing else rows
        return filled.reshape(*rows.shape[:2], n_chunks, chunk, rows.shape[-1])  # (prompt, head, chunk, token, channel)

    query, key, value = cut(steps.query), cut(steps.key), cut(steps.value)
    # Log of the decay since the chunk's start, the token's own included.
    since = None if steps.log_decay is None else cut(steps.log_decay).cumsum(dim=3)
    if since is None:
        read: Tensor = (query @ key.mT).masked_fill(_later(chunk, query), 0.0) @ value
    elif by_channel:
        read = _within_by_channel(query, key, value, since)
    else:
        read = _within_by_head(query, key, value, since)
    if n_chunks > 1:
        read = read + _from_before(query, key, value, since)
    return read.flatten(2, 3)[:, :, :length]


def _from_before(query: Tensor, key: Tensor, value: Tensor, since: Tensor | None) -> Tensor:
    """Return what each token reads of earlier chunks: (alpha * q) . S at the start of its chunk."""
    if since is None:
        added = (key.mT @ value)[:, :, :-1].cumsum(dim=2)
        earlier: Tensor = query @ pad(added, (0, 0, 0, 0, 1, 0))
        return earlier
    last = since[:, :, :, -1:]  # (prompt or 1, head, chunk, 1, key or 1)
    written = (key * (last - since).exp()).mT @ value  # (prompt, head, chunk, key, value)
    states = [torch.zeros_like(written[:, :, 0])]
    for added, outlasting in zip(written.unbind(2)[:-1], last.exp().mT.unbind(2)[:-1], strict=True):
        states.append(torch.addcmul(added, outlasting, states[-1]))
    return (query * since.exp()) @ torch.stack(states, dim=2)


def _within_by_head(query: Tensor, key: Tensor, value: Tensor, since: Tensor) -> Tensor:
    """Return sum_{i <= t} exp(since_t - since_i) (q_t . k_i) v_i inside each chunk; `since` has one channel."""
    later = _later(since.shape[-2], since)
    weights = (since - since.mT).masked_fill(later, float("-inf")).exp()  # (prompt or 1, head, chunk, token, token)
    return (query @ key.mT * weights) @ value


def _within_by_channel(query: Tensor, key: Tensor, value: Tensor, since: Tensor) -> Tensor:
    """Return sum_{i <= t} sum_c q_tc exp(since_tc - since_ic) k_ic v_i inside each chunk.

    exp(since_t - since_i) is a product of two factors of at most 1 when their reference lies between i and t. So a
    chunk is halved: what its second half reads of the first takes the end of the first as the reference and is a matrix
    product; each half is halved again, down to blocks whose pairs are taken one by one. (The secondary chunks of GLA,
    2312.06635 section 4.3, in as many levels as are needed.)
    """
    read = torch.zeros_like(value)
    span = query.shape[-2]
    while span > _BLOCK:
        half = span // 2
        q, k, v, b = (_pieces(rows, 2, half) for rows in (query, key, value, since))
        border = b[..., 0, -1:, :]  # (prompt, head, chunk, span, 1, key)
        asked = q[..., 1, :, :] * (b[..., 1, :, :] - border).exp()
        kept = k[..., 0, :, :] * (border - b[..., 0, :, :]).exp()
        second = (asked @ kept.mT) @ v[..., 0, :, :]  # (prompt, head, chunk, span, half, value)
        read = read + pad(second, (0, 0, half, 0)).flatten(-3, -2)
        span = half
    q, k, v, b = (_pieces(rows, span) for rows in (query, key, value, since))
    later = _later(span, since)[..., None]
    fades = (b[..., :, None, :] - b[..., None, :, :]).masked_fill(later, float("-inf")).exp()
    pairs = (fades * k[..., None, :, :] * q[..., :, None, :]).sum(dim=-1)  # (prompt, head, chunk, block, token, token)
    return read + (pairs @ v).flatten(-3, -2)


def _later(length: int, like: Tensor) -> Tensor:
    """Return where the second token comes after the first, (token, token)."""
    return torch.ones(length, length, dtype=torch.bool, device=like.device).triu(1)


def _pieces(rows: Tensor, *sizes: int) -> Tensor:
    """(..., token, channel) -> (..., piece, *sizes, channel)."""
    return rows.reshape(*rows.shape[:-2], rows.shape[-2] // math.prod(sizes), *sizes, rows.shape[-1])
