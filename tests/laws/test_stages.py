"""What drawing in stages promises, bitwise, of every scenario of the catalogue and of every pair of them.

Nothing here is written for one scenario: a new one is held to all of it because it is in the catalogue.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from icl_bench.contracts.laws import law_violations, same_draws, same_query
from icl_bench.laws.dials import stage_of
from icl_bench.laws.draws import Draws, Kind
from icl_bench.laws.law import Draw, PromptLaw
from icl_bench.laws.parts import CovariatePart, ObservePart, QueryPart, TaskPart
from icl_bench.laws.sizes import PromptRows
from icl_bench.plugins import catalogue
from icl_bench.seeding import BLOCK_SIZE, Streams
from tests.catalogue_laws import (
    RefusedError,
    Shift,
    at_sizes,
    carrier,
    column,
    linear_law,
    scenario,
    shifted,
    table_law,
    usual_laws,
    usual_shift,
)

DIMS, WIDE = 6, 20
SIZES = (0, 2, 5, 7)
NAMES = sorted(catalogue.entries("scenarios"))
LAWS = dict(usual_laws(DIMS, SIZES))

NOT_TOGETHER = {
    frozenset({"length/interpolation", "query/orthogonal"}): "no context size is left",
}
"""Pairs that cannot be had at the severities tried here, and what their refusal says; those that put two laws in one
place, and shifts of what rows of a table give together, are found by rule."""


def drawn(law: PromptLaw, seed: int = 0, block: int = 0) -> Draw:
    return law.draw(Streams(seed, block))


def problems(law: PromptLaw) -> list[str]:
    """Everything that a law breaks."""
    return list(law_violations(law))


class Spy:
    """Records every `per_example` draw of a block, with the keys of its rows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found: dict[str, list[tuple[list[tuple[int, int]], Tensor]]] = {}
        original = Draws.per_example

        def watched(draws: Draws, name: str, shape: tuple[int, ...] = (), kind: Kind = "normal") -> Tensor:
            values = original(draws, name, shape, kind)
            chosen = range(draws.rows.n_rows) if draws.chosen is None else draws.chosen
            keys = [draws.rows.keys[row] for row in chosen]
            self.found.setdefault(draws._path(name), []).append((keys, values.reshape(BLOCK_SIZE, len(keys), -1)))
            return values

        monkeypatch.setattr(Draws, "per_example", watched)

    def shared_rows(self) -> Iterator[str]:
        """Yield every pair of rows that share a draw and are not one, or are one and do not."""
        for path, calls in self.found.items():
            keys = [key for own, _ in calls for key in own]
            values = torch.cat([part for _, part in calls], dim=1)
            equal = (values[:, :, None] == values[:, None]).all(-1)  # (prompt, row, row)
            one = torch.tensor([[first == second for second in keys] for first in keys])
            for row, other in (equal != one).any(0).nonzero().tolist():
                yield f"{path}: rows {keys[row]} and {keys[other]} share a draw: {not bool(one[row, other])}"


@pytest.mark.parametrize("name", LAWS)
def test_every_scenario_keeps_the_invariants(name: str) -> None:
    assert problems(LAWS[name]) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_two_rows_share_a_draw_unless_they_are_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    law = carrier(name, DIMS, SIZES)
    law = shifted(law, shift_of(name))
    spy = Spy(monkeypatch)
    drawn(at_sizes(law, law.sizes.context_sizes, 3))
    if law.rows is None:
        assert {"covariates", "noise"} <= set(spy.found)
    assert list(spy.shared_rows()) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_length_moves_an_example(name: str) -> None:
    """Sums over rows may round otherwise at another number of rows: many are tried, in 20 dimensions."""
    law = carrier(name, WIDE, SIZES)
    law = shifted(law, shift_of(name))
    asked = {n: at_sizes(law, (2, 4, n), 1 + n % 2) for n in (*range(5, WIDE + 1), 29)}
    blocks = {n: drawn(own) for n, own in asked.items()}
    last, longest = blocks[29], asked[29]
    for n, block in blocks.items():
        assert torch.equal(block.prompts.context_x[:, :n], last.prompts.context_x[:, :n]), n
        assert torch.equal(block.prompts.context_y[:, :n], last.prompts.context_y[:, :n]), n
        for size in (2, 4):
            assert same_query(block, column(asked[n], size), last, column(longest, size)), (n, size)


@pytest.mark.parametrize("name", NAMES)
def test_the_identity_severity_is_the_base_law_to_the_bit(name: str) -> None:
    law = carrier(name, DIMS, SIZES)
    built = scenario(name)
    severity = built.identity(law)
    if severity is None and None not in built.severities:
        assert all(shifted(law, Shift(name, other)) != law for other in built.severities)
        return
    base, unshifted = drawn(law, 1, 2), drawn(shifted(law, Shift(name, severity)), 1, 2)
    assert same_draws(base, unshifted)
    assert (base.digest, base.streams) == (unshifted.digest, unshifted.streams)


@pytest.mark.parametrize("name", NAMES)
def test_severities_share_the_base_draws_and_have_digests_of_their_own(name: str) -> None:
    law = carrier(name, DIMS, SIZES)
    built = scenario(name)
    blocks = {severity: drawn(shifted(law, Shift(name, severity))) for severity in built.severities}
    assert len({block.digest for block in blocks.values()}) == len(blocks)
    identity = built.identity(law)
    moved = [block for severity, block in blocks.items() if identity is None or severity != identity]
    assert len({block.streams for block in moved}) <= 1  # whatever the severity, the same draws
    kept = {stream for stream in drawn(law).streams if "/task" not in stream}
    assert all(kept <= block.streams for block in moved)  # a replaced task alone may draw what it needs


# Pairs


@functools.cache
def base_of(pair: frozenset[str]) -> PromptLaw:
    """The linear law, or that of a table where one of the two scenarios needs it."""
    return table_law(SIZES) if any(_needs_table(name) for name in pair) else linear_law(DIMS, SIZES)


@functools.cache
def _needs_table(name: str) -> bool:
    return carrier(name, DIMS, SIZES).rows is not None


@functools.cache
def shift_of(name: str) -> Shift:
    return usual_shift(name, carrier(name, DIMS, SIZES))


@functools.cache
def stage(name: str) -> str:
    law = carrier(name, DIMS, SIZES)
    return stage_of(scenario(name), law, shifted(law, shift_of(name)))


def refusal(pair: Sequence[str]) -> str | None:
    """What the refusal of a pair is expected to say; None where it can be had."""
    if frozenset(pair) in NOT_TOGETHER:
        return NOT_TOGETHER[frozenset(pair)]
    replacing = [name for name in pair if getattr(scenario(name), "replaces", False)]
    if len(replacing) == 2 and stage(pair[0]) == stage(pair[1]):
        return "the first would be lost"
    if base_of(frozenset(pair)).rows is not None:
        others = [name for name in pair if not _needs_table(name)]
        if any(stage(name) not in ("sizes", "observe") and name != "base" for name in others):
            return "rows of a table"
    return None


PAIRS = list(itertools.combinations(NAMES, 2))


@functools.cache
def added_alone(name: str, base: PromptLaw) -> frozenset[str]:
    """The streams that a factor draws and the base law does not."""
    return drawn(shifted(base, shift_of(name))).streams - drawn(base).streams


@pytest.mark.parametrize("pair", PAIRS, ids=" x ".join)
def test_every_pair_keeps_the_invariants(pair: tuple[str, str]) -> None:
    base, shifts = base_of(frozenset(pair)), [shift_of(name) for name in pair]
    expected = refusal(pair)
    if expected is not None:
        with pytest.raises(RefusedError, match=expected):
            shifted(base, *shifts)
        return
    try:
        law, back = shifted(base, *shifts), shifted(base, *reversed(shifts))
    except RefusedError as error:
        pytest.fail(f"{error}: mend the refusal, or add the pair to NOT_TOGETHER with what it says")
    assert problems(law) == []
    draw = drawn(law)
    if stage(pair[0]) != stage(pair[1]):
        assert same_draws(draw, drawn(back))
    streams = [added_alone(name, base) for name in pair]
    assert not streams[0] & streams[1], "two factors share a stream"
    wrapped = stage(pair[0]) == stage(pair[1]) == "task"  # the inner prior is drawn twice, in scopes of the outer one
    assert wrapped or streams[0] | streams[1] <= draw.streams, "a factor draws otherwise beside another"


def test_every_pair_at_another_length_in_20_dimensions() -> None:
    """8 rows against 20: a matrix product over rows rounds otherwise there, not at 13 against 22 in 6 dimensions."""
    moved = []
    for pair in PAIRS:
        arithmetic = all(stage(name) in ("covariates", "query", "labels") for name in pair)  # others add none over rows
        if not arithmetic or refusal(pair) is not None or any(_needs_table(name) for name in pair):
            continue
        law = shifted(linear_law(WIDE, SIZES), *(shift_of(name) for name in pair))
        short, long = (drawn(at_sizes(law, (2, n))) for n in (8, 20))
        if not torch.equal(short.prompts.context_x, long.prompts.context_x[:, :8]):
            moved.append(f"{pair}: x")
        if not torch.equal(short.prompts.context_y, long.prompts.context_y[:, :8]):
            moved.append(f"{pair}: y")
    assert moved == []


@pytest.mark.parametrize("name", [name for name in NAMES if getattr(scenario(name), "replaces", False)])
def test_two_laws_in_one_place_are_refused_unless_one_is_the_identity(name: str) -> None:
    law = carrier(name, DIMS, SIZES)
    moved = shift_of(name)
    with pytest.raises(RefusedError, match="the first would be lost"):
        shifted(law, moved, moved)
    identity = scenario(name).identity(law)
    if identity is not None:
        kept = shifted(law, Shift(name, identity), moved)
        assert same_draws(drawn(kept), drawn(shifted(law, moved)))


@pytest.mark.parametrize(
    "name", [name for name in NAMES if stage(name) in ("covariates", "query", "labels", "observe")]
)
def test_a_scenario_beside_itself_draws_anew(name: str) -> None:
    """The second of a name has streams of its own, the same whether or not the first is at its identity."""
    law = carrier(name, DIMS, SIZES)
    if law.rows is not None or getattr(scenario(name), "replaces", False):
        return
    if getattr(scenario(name), "once", False):
        with pytest.raises(RefusedError, match="would undo the first"):
            shifted(law, shift_of(name), shift_of(name))
        return
    once, twice = drawn(shifted(law, shift_of(name))), drawn(shifted(law, shift_of(name), shift_of(name)))
    first, both = once.streams - drawn(law).streams, twice.streams - drawn(law).streams
    assert len(both) == 2 * len(first)
    identity = scenario(name).identity(law)
    if identity is not None:
        second = drawn(shifted(law, Shift(name, identity), shift_of(name))).streams - drawn(law).streams
        assert second == both - first


# What parts are handed


def test_a_query_part_is_handed_its_own_examples() -> None:
    seen: list[tuple[int, int, int]] = []
    law = at_sizes(linear_law(DIMS, SIZES).add("query", _Watching(seen)), SIZES, 2)
    block = drawn(law)
    assert seen == [(2, size, 2) for size in SIZES]
    assert not block.prompts.next_example


@dataclass(frozen=True)
class _Watching(QueryPart):
    """Notes how many queries, examples and own draws it is handed."""

    seen: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "_noted", self.seen)
        object.__setattr__(self, "seen", 0)

    def move(self, query: Tensor, context: Tensor, draws: Draws) -> Tensor:
        own = draws.per_example("own")
        self._noted.append((query.shape[1], context.shape[1], own.shape[1]))  # type: ignore[attr-defined]
        return query


@dataclass(frozen=True)
class _Drift(TaskPart):
    """One w a position, the same for every query of a size."""

    n_dims: int

    def draw(self, draws: Draws) -> Tensor:
        return draws.per_position("steps", (self.n_dims,)).cumsum(1)

    def value(self, hidden: Tensor, x: Tensor, position: Tensor) -> Tensor:
        return (hidden[:, position] * x).sum(-1)


@dataclass(frozen=True)
class _DriftByRow(_Drift):
    """The mistake: a draw a row, so that a further query has a path of its own."""

    def draw(self, draws: Draws) -> Tensor:
        return draws.per_example("steps", (self.n_dims,)).cumsum(1)

    def value(self, hidden: Tensor, x: Tensor, position: Tensor) -> Tensor:
        return (hidden * x).sum(-1)


def test_what_drifts_is_one_for_all_queries_of_a_size() -> None:
    law = replace(linear_law(DIMS, SIZES), prior=_Drift(DIMS))
    assert problems(law) == []
    assert "the value at a row is not that of its x and its position" in problems(replace(law, prior=_DriftByRow(DIMS)))


@dataclass(frozen=True)
class _MovesContext(CovariatePart):
    on = "context"

    def move(self, x: Tensor, rows: PromptRows, draws: Draws) -> Tensor:
        return x + 1.0


@dataclass(frozen=True)
class _Rounds(ObservePart):
    """Seen alike in context and query."""

    def observe(
        self, x: Tensor, y: Tensor, f: Tensor | None, hidden: Any, rows: PromptRows, draws: Draws
    ) -> tuple[Tensor, Tensor]:
        return x.round(), y.round()


@dataclass(frozen=True)
class _Follows(ObservePart):
    """The first coordinate carries the label's sign, and says so or not."""

    sees_task: bool

    def observe(
        self, x: Tensor, y: Tensor, f: Tensor | None, hidden: Any, rows: PromptRows, draws: Draws
    ) -> tuple[Tensor, Tensor]:
        return torch.cat([y.sign()[..., None], x[..., 1:]], dim=-1), y


def test_queries_are_the_next_examples_where_nothing_moves_the_context_alone() -> None:
    law = linear_law(DIMS, SIZES)
    assert drawn(law).prompts.next_example
    assert not drawn(law.add("covariates", _MovesContext())).prompts.next_example
    rounded = drawn(law.add("observe", _Rounds()))
    assert rounded.prompts.next_example
    assert not torch.equal(rounded.targets.query_y, rounded.targets.query_y.round())  # targets are taken before
    assert problems(law.add("covariates", _MovesContext())) == []
    assert problems(law.add("observe", _Rounds())) == []


def test_covariates_that_follow_the_label_must_say_so() -> None:
    law = linear_law(DIMS, SIZES)
    assert problems(law.add("observe", _Follows(sees_task=True))) == []
    assert problems(law.add("observe", _Follows(sees_task=False))) == ["x follows the task: True; declared: False"]
