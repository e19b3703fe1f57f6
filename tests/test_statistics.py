"""Intervals cover what they claim to cover, quantiles are quantiles, tails are told apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from scipy.stats import t as student

from icl_bench.statistics.contrasts import ratio_interval
from icl_bench.statistics.intervals import cluster_means, mean_interval
from icl_bench.statistics.quantiles import median_ranks, quantiles
from icl_bench.statistics.tails import has_moment, hill_index

REPEATS = 2000


def covered(low: np.ndarray, high: np.ndarray, truth: float) -> float:
    return float(((low <= truth) & (truth <= high)).mean())


def test_mean_interval_covers_on_skewed_losses() -> None:
    """chi2_1, the shape of a squared error: 95% nominal, within 93-97% at a block of prompts."""
    losses = np.random.default_rng(0).chisquare(1, (256, REPEATS))
    interval = mean_interval(losses)
    assert 0.93 <= covered(interval.low, interval.high, 1.0) <= 0.97


def test_clustered_interval_covers_where_the_naive_one_does_not() -> None:
    """64 prompts share a covariance: the interval over prompts alone is far too narrow."""
    generator = np.random.default_rng(1)
    shared = np.repeat(generator.exponential(1.0, (64, REPEATS)), 16, axis=0)
    losses = shared * generator.chisquare(1, shared.shape)
    clustered, naive = mean_interval(losses, cluster_size=16), mean_interval(losses)
    assert 0.92 <= covered(clustered.low, clustered.high, 1.0) <= 0.97
    assert covered(naive.low, naive.high, 1.0) < 0.75


def test_few_clusters_of_skewed_level_are_covered_where_student_t_is_not() -> None:
    """16 covariances of exponential scale, 16 prompts each."""
    generator = np.random.default_rng(4)
    shared = np.repeat(generator.exponential(1.0, (16, REPEATS)), 16, axis=0)
    interval = mean_interval(shared * generator.chisquare(1, shared.shape), cluster_size=16)
    assert 0.925 <= covered(interval.low, interval.high, 1.0) <= 0.97
    reach = student.ppf(0.975, 15) * interval.stderr
    assert covered(interval.value - reach, interval.value + reach, 1.0) < 0.905


@given(st.integers(0, 200), st.integers(5, 300))
def test_interval_ends_are_student_quantiles_after_halls_transformation(seed: int, rows: int) -> None:
    """Hall (1992): T + a T^2/3 + a^2 T^3/27 + a/6, a = skewness / sqrt(n), has no skewness left to second order."""
    values = np.random.default_rng(seed).lognormal(size=(rows, 1))
    interval = mean_interval(values)
    centred = values[:, 0] - values.mean()
    a = np.mean(centred**3) / np.mean(centred**2) ** 1.5 / np.sqrt(rows)
    t = (values.mean() - np.array([interval.high[0], interval.low[0]])) / interval.stderr[0]
    transformed = t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6
    reach = student.ppf(0.975, rows - 1)
    np.testing.assert_allclose(transformed, [-reach, reach], rtol=1e-6)


def test_ratio_interval_covers_and_uses_the_pairing() -> None:
    generator = np.random.default_rng(2)
    bottom = generator.chisquare(1, (512, REPEATS))
    top = 0.3 * bottom * generator.exponential(1.0, bottom.shape)
    interval = ratio_interval(top, bottom)
    assert 0.93 <= covered(interval.low, interval.high, 0.3) <= 0.97
    assert np.array_equal(ratio_interval(0.3 * bottom, bottom).stderr < 1e-12, np.ones(REPEATS, dtype=bool))


def test_uneven_last_cluster_is_weighted_by_its_rows() -> None:
    values = np.arange(10.0)[:, None]
    means, weights = cluster_means(values, 4)
    assert means[:, 0].tolist() == [1.5, 5.5, 8.5]
    assert weights @ means[:, 0] == pytest.approx(4.5)


@given(st.integers(2, 40), st.integers(1, 5))
def test_cluster_of_one_is_the_textbook_interval(rows: int, columns: int) -> None:
    values = np.random.default_rng(rows).normal(size=(rows, columns))
    interval = mean_interval(values)
    np.testing.assert_allclose(interval.value, values.mean(0), atol=1e-12)
    np.testing.assert_allclose(interval.stderr, values.std(0, ddof=1) / np.sqrt(rows), rtol=1e-9)


def test_a_single_cluster_has_no_interval() -> None:
    interval = mean_interval(np.ones((100, 2)), cluster_size=None)
    assert interval.value.tolist() == [1.0, 1.0]
    assert np.isnan(interval.stderr).all()


def test_a_ratio_over_zero_is_no_number() -> None:
    interval = ratio_interval(np.ones((10, 1)), np.zeros((10, 1)))
    assert np.isnan(interval.value).all()


@pytest.mark.parametrize("count", [1, 5, 6, 20, 256, 2048, 20480])
def test_median_ranks_have_the_coverage_they_claim(count: int) -> None:
    """P(X_(l) <= median <= X_(u)) from the binomial law: at least 95%, and no narrower interval has it."""
    ranks = median_ranks(count)
    if ranks is None:
        assert binom.cdf(0, count, 0.5) > 0.025
        return
    low, high = ranks
    assert binom.cdf(high, count, 0.5) - binom.cdf(low, count, 0.5) >= 0.95
    assert binom.cdf(low + 1, count, 0.5) > 0.025


def test_median_interval_covers_under_a_tail_without_mean() -> None:
    losses = np.random.default_rng(3).pareto(0.5, (512, REPEATS))
    found = quantiles(losses)
    assert 0.93 <= covered(found.median_low, found.median_high, 2.0**2 - 1.0) <= 0.975


@given(st.integers(1, 60))
def test_quantiles_agree_with_numpy(rows: int) -> None:
    values = np.random.default_rng(rows).normal(size=(rows, 3))
    found = quantiles(values)
    for level, mine in ((0.1, found.q10), (0.5, found.median), (0.9, found.q90)):
        np.testing.assert_allclose(mine, np.quantile(values, level, axis=0), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("index", [0.5, 1.5, 3.0])
def test_hill_finds_a_known_index(index: float) -> None:
    estimates = hill_index(np.random.default_rng(4).pareto(index, (20_000, 50)) + 1.0)
    np.testing.assert_allclose(np.median(estimates), index, rtol=0.05)


def test_an_estimate_denies_the_variance_only_beyond_doubt() -> None:
    """At 256 prompts a squared Gaussian error keeps its interval; a tail without variance loses it."""
    generator = np.random.default_rng(6)
    for rows, values, kept in (
        (256, generator.chisquare(1, (256, 500)), 0.99),
        (2048, generator.chisquare(1, (2048, 500)), 1.0),
    ):
        found = has_moment(hill_index(values), 2.0, rows, np.ones(500, dtype=bool))
        assert found.mean() >= kept
    heavy = hill_index(generator.pareto(1.2, (2048, 500)) + 1.0)
    assert has_moment(heavy, 2.0, 2048, np.ones(500, dtype=bool)).mean() < 0.01
    exact = has_moment(np.array([2.0, 2.5]), 2.0, 256, np.zeros(2, dtype=bool))
    assert exact.tolist() == [False, True]


def test_hill_calls_a_light_tail_light() -> None:
    """A squared Gaussian error must not be taken for one without mean."""
    assert (hill_index(np.random.default_rng(5).chisquare(1, (2048, 200))) > 1.5).all()
    assert np.isinf(hill_index(np.ones((500, 1)))).all()
    assert np.isinf(hill_index(np.zeros((500, 1)))).all()
