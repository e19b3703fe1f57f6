"""Skill: formula and intervals against plain numpy, range and order by property, coverage and ranks by chance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icl_bench.arrays import Array
from icl_bench.scores.skill_cells import cluster_starts
from icl_bench.statistics.ranks import pair_p_values, rank_intervals
from icl_bench.statistics.skill import Answerable, CellSkills, MeanSkills, cell_skills, mean_difference, nothing_to_know


def drawn(n: int, spreads: list[float], seed: int = 0, heavy: bool = False) -> tuple[Array, Array]:
    """Return squared errors (prompt, model) of models that are off by `spreads`, and b^2 (prompt,)."""
    rng = np.random.default_rng(seed)
    b = rng.standard_normal(n)
    noise = rng.standard_t(1.5, (n, len(spreads))) if heavy else rng.standard_normal((n, len(spreads)))
    return (noise * np.asarray(spreads)) ** 2, b**2


def cells(excess: Array, square: Array, size: int | None = 1) -> CellSkills:
    return cell_skills(excess, Answerable.of(square), cluster_starts([len(square)], size))


def by_hand(e2: Array, b2: Array) -> tuple[float, float, float]:
    """Return score and interval of one model in one cell, each line a line of the definition."""
    n, size = len(e2), np.sqrt(b2)
    c = (2 * size.mean()) ** 2
    e2 = np.where(e2 <= (1e-9 * size.mean()) ** 2, 0.0, e2)
    a, b = np.minimum(e2, c).mean(), np.minimum(b2, c).mean()
    dc = 8 * size.mean() * (size - size.mean())
    da = np.minimum(e2, c) - a + (e2 > c).mean() * dc
    db = np.minimum(b2, c) - b + (b2 > c).mean() * dc
    score = 1 - a / b if a <= b else -(a - b) / (c - b)
    u, g, h, x = -da / b + a * db / b**2, (c - a) / b, a / b, 1 - a / b
    t = _quantile(n - 1)
    low = x - g / (n + 1) - t * math.sqrt((np.sum(u**2) + g**2) / (n * (n + 1)))
    high = x + h / (n + 1) + t * math.sqrt((np.sum(u**2) + h**2) / (n * (n + 1)))
    ends = [max(-1.0, min(1.0, end if end >= 0 else end * b / (c - b))) for end in (low, high)]
    return score, ends[0], ends[1]


def _quantile(degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.975))


@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize("spread", [0.01, 0.3, 1.0, 2.0, 30.0])
def test_a_cell_is_its_definition(spread: float, heavy: bool) -> None:
    excess, square = drawn(500, [spread], heavy=heavy)
    found = cells(excess, square)
    expected = by_hand(excess[:, 0], square)
    assert (found.score[0], found.low[0], found.high[0]) == pytest.approx(expected, abs=1e-12)


def test_the_ends_of_the_scale_are_exact() -> None:
    _, square = drawn(400, [1.0])
    columns = np.stack([np.zeros(400), square, square * 1e-20, np.full(400, np.inf), np.full(400, 1e30)], axis=1)
    found = cells(columns, square)
    assert found.score.tolist()[:4] == [1.0, 0.0, 1.0, -1.0]
    assert found.low.tolist()[0] == found.high.tolist()[0] == 1.0  # Bayes, to the bit
    assert found.low[3] == found.high[3] == -1.0  # nothing answered
    assert found.score[4] == pytest.approx(-1.0)
    assert found.low[4] == -1.0 < found.high[4]
    assert found.at_cap.tolist()[3:] == [1.0, 1.0]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 60),
    st.integers(0, 2**31),
    st.floats(0.0, 50.0),
    st.floats(0.0, 1.0),
)
def test_skill_lies_in_its_range_and_falls_with_the_loss(n: int, seed: int, spread: float, share: float) -> None:
    excess, square = drawn(n, [spread], seed, heavy=True)
    worse = np.where(np.random.default_rng(seed + 1).random((n, 1)) < share, excess * 2.0 + 0.1, excess)
    quitting = np.where(worse > excess, np.inf, excess)
    found = cells(np.concatenate([excess, worse, quitting], axis=1), square)
    assert ((found.score >= -1.0) & (found.score <= 1.0)).all()
    assert (found.low <= found.score + 1e-12).all()
    assert (found.score <= found.high + 1e-12).all()
    assert found.score[0] >= found.score[1] - 1e-12
    assert found.score[0] >= found.score[2] - 1e-12


def test_one_prompt_has_a_score_and_no_interval() -> None:
    found = cells(np.array([[0.25]]), np.array([1.0]))
    assert found.score[0] == pytest.approx(0.75)
    assert np.isnan(found.low[0])
    assert np.isnan(found.high[0])


def test_clusters_count_as_one_row() -> None:
    excess, square = drawn(64, [0.5, 3.0])
    repeated = cells(np.repeat(excess, 8, axis=0), np.repeat(square, 8), 8)
    once = cells(excess, square)
    np.testing.assert_allclose(repeated.score, once.score, rtol=1e-12)
    # the adverse cluster is charged over the mean cluster size; the spread is the same
    assert (repeated.high - repeated.low < once.high - once.low).all()
    naive = cells(np.repeat(excess, 8, axis=0), np.repeat(square, 8), 1)
    assert (naive.high - naive.low < repeated.high - repeated.low).all()


@pytest.mark.parametrize(("spread", "heavy"), [(0.3, False), (1.0, False), (0.2, True), (2.0, True)])
def test_intervals_cover(spread: float, heavy: bool) -> None:
    truth_excess, truth_square = drawn(200_000, [spread], seed=9, heavy=heavy)
    truth = cells(truth_excess, truth_square).score[0]
    hits = 0
    for seed in range(300):
        excess, square = drawn(256, [spread], seed=seed + 100, heavy=heavy)
        found = cells(excess, square)
        hits += found.low[0] <= truth <= found.high[0]
    assert hits >= 0.9 * 300


def whole(excess: Array, square: Array) -> MeanSkills:
    found = cells(excess, square)
    return MeanSkills(found.score, found.charge, found.influence, found.upward)


def test_ranks_of_equal_models_are_all_open_and_of_spread_ones_are_points() -> None:
    excess, square = drawn(2000, [0.4] * 5)
    low, high = rank_intervals(whole(np.repeat(excess[:, :1], 5, axis=1), square))
    assert low.tolist() == [1] * 5
    assert high.tolist() == [5] * 5
    excess, square = drawn(4000, [0.1, 0.3, 0.6, 0.9])
    low, high = rank_intervals(whole(excess, square))
    assert low.tolist() == high.tolist() == [1, 2, 3, 4]


def test_ranks_follow_the_models_in_any_order() -> None:
    excess, square = drawn(600, [0.5, 0.52, 0.3, 0.9, 0.31])
    low, high = rank_intervals(whole(excess, square))
    order = np.array([3, 0, 4, 1, 2])
    again = rank_intervals(whole(excess[:, order], square))
    assert again[0].tolist() == low[order].tolist()
    assert again[1].tolist() == high[order].tolist()
    assert (low <= high).all()


def test_a_pair_that_is_equal_or_certain() -> None:
    excess, square = drawn(300, [0.5, 0.5])
    same = whole(np.repeat(excess[:, :1], 2, axis=1), square)
    assert pair_p_values(same, np.array([0]), np.array([1])).tolist() == [1.0]
    certain = MeanSkills(np.array([1.0, -1.0]), np.zeros(2), np.zeros((300, 2)), np.zeros((300, 2)))
    assert pair_p_values(certain, np.array([0]), np.array([1])).tolist() == [0.0]


def test_rank_intervals_hold_together() -> None:
    spreads = [0.5, 0.5, 0.5, 0.55, 0.6, 0.6, 0.9]
    excess, square = drawn(400_000, spreads, seed=3)
    truth = cells(excess, square).score
    missed = 0
    for seed in range(200):
        excess, square = drawn(300, spreads, seed=seed + 10)
        low, high = rank_intervals(whole(excess, square))
        better = np.array([(truth > own + 2e-3).sum() for own in truth])
        worse = np.array([(truth < own - 2e-3).sum() for own in truth])
        missed += bool((low > 1 + (len(truth) - 1 - worse)).any() or (high < 1 + better).any())
    assert missed <= 0.09 * 200


def test_paired_differences_are_narrower_than_their_parts() -> None:
    excess, square = drawn(1000, [0.6])
    base = whole(excess, square)
    head = whole(excess * 1.02, square)
    moved, low, high = mean_difference(base, head)
    assert low[0] <= moved[0] <= high[0]
    assert moved[0] < 0.0
    ends = base.interval()
    assert (high[0] - low[0]) < 0.2 * (ends[1][0] - ends[0][0])


def test_what_there_is_nothing_to_know_of() -> None:
    rng = np.random.default_rng(0)
    b2 = rng.standard_normal(500) ** 2
    assert nothing_to_know(b2, b2 * 1.5) == ""
    assert "0 throughout" in nothing_to_know(np.zeros(5), np.ones(5))
    assert "less than 5%" in nothing_to_know(b2, b2 * 30.0)
    assert "near 0 for most" in nothing_to_know(np.where(np.arange(500) < 400, 1e-8, b2), None)
