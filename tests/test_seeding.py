"""Base draws are a pure function of (seed, block, name), whatever else happens."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from icl_bench.seeding import Streams

KINDS = ("normal", "uniform", "exponential")


def drawn(streams: Streams, kind: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
    return getattr(streams, kind)(name, shape)


@given(st.permutations([(kind, f"{name}/{kind}") for kind in KINDS for name in ("task", "noise")]))
def test_order_of_calls_does_not_matter(order: list[tuple[str, str]]) -> None:
    streams, again = Streams(3, 1), Streams(3, 1)
    first = {call: drawn(streams, *call, (4, 2)) for call in order}
    second = {call: drawn(again, *call, (4, 2)) for call in sorted(order)}
    assert all(np.array_equal(first[call], second[call]) for call in order)
    assert streams.digest() == again.digest()


@pytest.mark.parametrize("kind", KINDS)
def test_a_longer_draw_begins_with_the_shorter_one(kind: str) -> None:
    short = drawn(Streams(0, 0), kind, "covariates", (5, 16, 3))
    long = drawn(Streams(0, 0), kind, "covariates", (40, 16, 3))
    assert np.array_equal(long[:5], short)


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_blocks_and_names_are_distinct(kind: str) -> None:
    draws = [
        drawn(Streams(seed, block), kind, name, (1000,))
        for seed in (0, 1, 10)
        for block in (0, 1, 10)
        for name in ("task", "noise", "task/scale")
    ]
    correlations = np.abs(np.corrcoef(draws) - np.eye(len(draws)))
    assert correlations.max() < 0.2  # 1/sqrt(1000) is 0.03


@pytest.mark.parametrize(
    ("kind", "mean", "variance"), [("normal", 0.0, 1.0), ("uniform", 0.5, 1 / 12), ("exponential", 1.0, 1.0)]
)
def test_draws_have_the_law_they_are_named_for(kind: str, mean: float, variance: float) -> None:
    sample = drawn(Streams(1, 2), kind, "task", (100_000,))
    assert abs(sample.mean() - mean) < 4.5 * np.sqrt(variance / sample.size)
    assert abs(sample.var() / variance - 1.0) < 0.05


def test_uniform_draws_are_strictly_inside() -> None:
    sample = Streams(0, 0).uniform("noise/scale", (100_000,))
    assert sample.min() > 0.0
    assert sample.max() < 1.0


def test_streams_of_the_law_are_one_for_all_blocks_and_seeds() -> None:
    first = Streams(4, 0).of_law().normal("rotation", (3,))
    assert np.array_equal(first, Streams(4, 7).of_law().normal("rotation", (3,)))
    assert np.array_equal(first, Streams(5, 0).of_law().normal("rotation", (3,)))
    assert not np.array_equal(first, Streams(4, 0).of_law(1).normal("rotation", (3,)))
    assert not np.array_equal(first, Streams(4, 0).normal("rotation", (3,)))


@pytest.mark.parametrize(("kind", "shape"), [("uniform", (4,)), ("normal", (5,)), ("normal", (4, 1))])
def test_a_stream_has_one_kind_and_one_shape(kind: str, shape: tuple[int, ...]) -> None:
    """Two variables of one name would share their numbers by accident."""
    streams = Streams(0, 0)
    streams.normal("task", (4,))
    with pytest.raises(ValueError, match="'task' was drawn as normal"):
        drawn(streams, kind, "task", shape)
    assert drawn(streams.anew(), kind, "task", shape).shape == shape


def test_the_digest_covers_every_draw() -> None:
    def digest(*calls: tuple[str, tuple[int, ...]], shared: bool = False, seed: int = 0) -> str:
        streams = Streams(seed, 0)
        for name, shape in calls:
            (streams.of_law() if shared else streams).normal(name, shape)
        return streams.digest()

    plain = digest(("task", (4,)))
    assert plain == digest(("task", (4,)), ("task", (4,)))
    different = {
        plain,
        digest(),
        digest(("task", (5,))),
        digest(("noise", (4,))),
        digest(("task", (4,)), shared=True),
        digest(("task", (4,)), seed=1),
        digest(("task", (4,)), ("noise", (4,))),
    }
    assert len(different) == 7


def test_values_do_not_change_between_releases() -> None:
    expected = [0.3508775228641373, 0.44458108085495457, 1.3266162811931168]
    assert Streams(0, 0).normal("task", (3,)).tolist() == expected


def test_global_generators_are_left_alone() -> None:
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    streams = Streams(0, 0)
    for kind in KINDS:
        drawn(streams, kind, f"task/{kind}", (100,))
    assert np.array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize(("seed", "block"), [(-1, 0), (0, -1)])
def test_negative_keys_are_refused(seed: int, block: int) -> None:
    with pytest.raises(ValueError, match=">= 0"):
        Streams(seed, block)
