"""The selective scan: a diagonal recurrence whose steps, writes and reads depend on the token, and its gradient."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Any, NamedTuple

import torch
from torch import Tensor

CHUNK = 64
"""Tokens between two states that are kept for the gradient; the states between them are computed again."""
_NUMBERS = {"cpu": 2**20}
_NUMBERS_ELSEWHERE = 2**26
"""Numbers in one array of states: on a CPU what its cache holds, elsewhere what fills the device."""


class Selected(NamedTuple):
    """What each token (or each query) tells the recurrence."""

    steps: Tensor  # (prompt, token, channel) step size Delta > 0
    values: Tensor  # (prompt, token, channel) input x
    write: Tensor  # (prompt, token, state) B
    read: Tensor  # (prompt, token, state) C


def selective_scan(
    tokens: Selected, rates: Tensor, queries: Selected | None, seen: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Return y_t = C_t h_t of h_t = exp(Delta_t A) h_{t-1} + Delta_t B_t x_t, (prompt, token, channel), from h_0 = 0.

    `rates` is A, (state, channel). Query j makes its step from the state after `seen[j]` tokens and leaves no trace.
    The discretisation is that of Mamba (Gu & Dao 2312.00752, section 2 and Algorithm 2), with B's first-order form.
    Time is linear in the number of tokens, memory too: that of the arguments and one state every `CHUNK` tokens.
    There is no second derivative.
    """
    held = [part.transpose(0, 1) for part in (tokens.steps, tokens.steps * tokens.values, tokens.write, tokens.read)]
    if queries is None or seen is None:
        nobody = [part[:0] for part in (held[0], held[3])]
        place = torch.empty(0, dtype=torch.long, device=rates.device)
        mixed, _ = _Scan.apply(*held, rates, *nobody, place)  # type: ignore[no-untyped-call]
        return mixed.transpose(0, 1), None
    order = seen.argsort(stable=True)  # so that the queries of a chunk stand side by side
    asked = [part.index_select(1, order).transpose(0, 1) for part in (queries.steps, queries.read)]
    mixed, recalled = _Scan.apply(*held, rates, *asked, seen[order])  # type: ignore[no-untyped-call]
    own = (queries.read * queries.write).sum(-1, keepdim=True) * queries.steps * queries.values
    return mixed.transpose(0, 1), recalled.transpose(0, 1).index_select(1, order.argsort()) + own


class _Held(NamedTuple):
    """The arguments of the scan, time first, or their gradients, or the part of either that one chunk is about."""

    steps: Tensor  # (token, prompt, channel)
    scaled: Tensor  # (token, prompt, channel) Delta x
    write: Tensor  # (token, prompt, state)
    read: Tensor  # (token, prompt, state)
    rates: Tensor  # (state, channel)
    query_steps: Tensor  # (query, prompt, channel)
    query_read: Tensor  # (query, prompt, state)


class _Part(NamedTuple):
    """One chunk of tokens of a few prompts, and the queries that stand in it."""

    rows: slice  # of prompts
    first: int  # token
    last: int  # token, exclusive
    asked: list[slice]  # queries with first < seen <= last (or seen = 0 in the first chunk), a few in each slice

    def of(self, held: _Held) -> _Held:
        """Return the chunk's tokens (views); all queries of the prompts."""
        span = (slice(self.first, self.last), self.rows)
        return held._replace(
            steps=held.steps[span],
            scaled=held.scaled[span],
            write=held.write[span],
            read=held.read[span],
            query_steps=held.query_steps[:, self.rows],
            query_read=held.query_read[:, self.rows],
        )


class _Plan:
    """Which chunks there are, and memory for their states.

    The memory is taken once a call and used again by every chunk, which then finds it in the cache.
    """

    def __init__(self, held: _Held, seen: Tensor, n_arrays: int) -> None:
        (n_tokens, n_prompts, _), places = held.steps.shape, seen.tolist()
        self.longest = min(CHUNK, max(n_tokens, len(places), 1))
        room = _NUMBERS.get(seen.device.type, _NUMBERS_ELSEWHERE) // ((self.longest + 1) * held.rates.numel())
        together = max(1, min(room, n_prompts))
        groups = [slice(at, min(at + together, n_prompts)) for at in range(0, n_prompts, together)]
        self.parts = [part for rows in groups for part in self._chunks(rows, n_tokens, places)]
        self.memory = held.steps.new_empty(n_arrays, (self.longest + 1) * together * held.rates.numel())

    def _chunks(self, rows: slice, n_tokens: int, places: list[int]) -> list[_Part]:
        """Return the chunks of some prompts; at least one, for queries that see nothing."""
        parts, done = [], 0
        for first in range(0, max(n_tokens, 1), CHUNK):
            last = min(first + CHUNK, n_tokens)
            end = bisect_right(places, last)
            asked = [slice(at, min(at + self.longest, end)) for at in range(done, end, self.longest)]
            parts.append(_Part(rows, first, last, asked))
            done = end
        return parts

    def array(self, which: int, *shape: int) -> Tensor:
        """Return array `which` in `shape`; what it held is lost."""
        return self.memory[which, : math.prod(shape)].view(shape)


class _Scan(torch.autograd.Function):
    """The recurrence; the queries' part of it is C_q exp(Delta_q A) h."""

    @staticmethod
    def forward(ctx: Any, *arguments: Tensor) -> tuple[Tensor, Tensor]:
        """Take `_Held` and `seen`, increasing; return what tokens read, and what queries read before they write."""
        held, seen = _Held(*arguments[:7]), arguments[7]
        mixed, recalled = torch.empty_like(held.scaled), torch.empty_like(held.query_steps)
        plan = _Plan(held, seen, 2)
        starts: list[Tensor] = []  # state before each chunk, (prompt, state, channel)
        state = held.rates.new_zeros(0)
        for part in plan.parts:
            mine = part.of(held)
            if part.first == 0:
                state = held.rates.new_zeros(mine.steps.shape[1], *held.rates.shape)
            starts.append(state)
            _, states = _states(mine, state, plan)
            mixed[part.first : part.last, part.rows] = _read(mine.read, states[1:])
            for asked in part.asked:
                prior = states.index_select(0, seen[asked] - part.first)  # (query, prompt, state, channel)
                decay = _decays(mine.query_steps[asked], held.rates, plan.array(0, *prior.shape))
                recalled[asked, part.rows] = _read(mine.query_read[asked], prior.mul_(decay))
            state = states[-1].clone()
        ctx.save_for_backward(*arguments, *starts)
        return mixed, recalled

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, to_mixed: Tensor, to_recalled: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients, from a scan in reverse."""
        held, seen, starts = _Held(*ctx.saved_tensors[:7]), ctx.saved_tensors[7], ctx.saved_tensors[8:]
        gradients = _Held(*(torch.zeros_like(tensor) for tensor in held))
        plan = _Plan(held, seen, 4)
        carried = held.rates.new_zeros(0)  # gradient to the state after the chunk, (prompt, state, channel)
        for part, start in zip(reversed(plan.parts), reversed(starts), strict=True):
            mine, wanted = part.of(held), part.of(gradients)
            _, states = _states(mine, start, plan)
            flow = plan.array(2, *states.shape)  # row t: gradient to the state after t tokens of the chunk
            if part.last == len(held.steps):
                carried = torch.zeros_like(start)
            dy = to_mixed[part.first : part.last, part.rows]
            torch.mul(mine.read[..., None], dy[:, :, None], out=flow[1:])
            flow[0] = 0
            flow[-1] += carried
            for asked in part.asked:
                place = seen[asked] - part.first
                _queries_backward(mine, wanted, asked, place, to_recalled[asked, part.rows], plan, states, flow)
            carried = _tokens_backward(mine, wanted, dy, plan, states, flow)
        return *gradients, None


def _states(mine: _Held, start: Tensor, plan: _Plan) -> tuple[Tensor, Tensor]:
    """Return exp(Delta A), (token, prompt, state, channel), and the states before the chunk and after each token."""
    decays = _decays(mine.steps, mine.rates, plan.array(0, len(mine.steps), *start.shape))
    states = plan.array(1, 1 + len(decays), *start.shape)
    states[0] = start
    torch.mul(mine.write[..., None], mine.scaled[:, :, None], out=states[1:])
    each = states.unbind(0)
    for decay, before, after in zip(decays.unbind(0), each[:-1], each[1:], strict=True):
        after.addcmul_(decay, before)
    return decays, states


def _decays(steps: Tensor, rates: Tensor, out: Tensor) -> Tensor:
    """Fill `out` with exp(Delta A), (token, prompt, state, channel), as a power of 2: twice as fast on many CPUs."""
    return torch.mul(steps[:, :, None], rates * math.log2(math.e), out=out).exp2_()


def _read(read: Tensor, states: Tensor) -> Tensor:
    """Return C h, (token, prompt, channel)."""
    return (read[:, :, None] @ states)[:, :, 0]


def _over_channels(states: Tensor, values: Tensor) -> Tensor:
    """Return sum_i h_{s,i} v_i, (token, prompt, state); the same product with the vector behind is far slower."""
    return (values[:, :, None] @ states.mT)[:, :, 0]


def _tokens_backward(mine: _Held, wanted: _Held, dy: Tensor, plan: _Plan, states: Tensor, flow: Tensor) -> Tensor:
    """Fill in the gradients of a chunk's tokens; return that to the state before it.

    With g_t the gradient to h_t: g_t = C_t dy_t + exp(Delta_{t+1} A) g_{t+1}, and the gradient to the exponent
    Delta_t A is g_t exp(Delta_t A) h_{t-1}.
    """
    decays = plan.array(0, *states[1:].shape)
    room = plan.array(3, *decays.shape)
    each = flow.unbind(0)
    for decay, before, after in reversed(list(zip(decays.unbind(0), each[:-1], each[1:], strict=True))):
        before.addcmul_(decay, after)
    wanted.read.copy_(_over_channels(states[1:], dy))
    wanted.write.copy_(_over_channels(flow[1:], mine.scaled))
    wanted.scaled.copy_(_read(mine.write, flow[1:]))
    exponent = decays.mul_(states[:-1]).mul_(flow[1:])
    _through_exponent(exponent, mine.steps, wanted.steps, mine.rates, wanted.rates, room)
    return flow[0].clone()


def _queries_backward(
    mine: _Held, wanted: _Held, asked: slice, place: Tensor, dy: Tensor, plan: _Plan, states: Tensor, flow: Tensor
) -> None:
    """Fill in the gradients of a few queries, and add theirs to the states they stand behind to `flow`."""
    steps, read = mine.query_steps[asked], mine.query_read[asked]
    recalled = states.index_select(0, place)  # (query, prompt, state, channel)
    room = plan.array(3, *recalled.shape)
    recalled.mul_(_decays(steps, mine.rates, room))
    to_recalled = read[..., None] * dy[:, :, None]
    flow.index_add_(0, place, room.mul_(to_recalled))
    wanted.query_read[asked] = _over_channels(recalled, dy)
    _through_exponent(recalled.mul_(to_recalled), steps, wanted.query_steps[asked], mine.rates, wanted.rates, room)


def _through_exponent(
    exponent: Tensor, steps: Tensor, to_steps: Tensor, rates: Tensor, to_rates: Tensor, room: Tensor
) -> None:
    """Hand the gradient to Delta A, (token, prompt, state, channel), on to Delta and, summed, to A; destroys it."""
    to_steps.copy_(torch.mul(exponent, rates, out=room).sum(2))
    to_rates.add_(exponent.mul_(steps[:, :, None]).sum((0, 1)))
