"""Intervals cover what they claim to cover, quantiles are quantiles, tails are told apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from scipy.stats import t as student

from icl_bench.statistics.contrasts import ratio_interval
from icl_bench.statistics.groups import worst_group
from icl_bench.statistics.intervals import cluster_means, mean_interval
from icl_bench.statistics.quantiles import median_ranks, quantile_interval, quantile_ranks, quantiles
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


@given(st.integers(1, 3000), st.floats(0.001, 0.999))
def test_ranks_of_a_quantile_cover_exactly_and_are_the_narrowest(count: int, level: float) -> None:
    """Binomial(count, level) rows lie below the quantile: each side misses with at most 2.5%, one rank in with more."""
    ranks, below = quantile_ranks(count, level), binom(count, level)
    if ranks is None:
        assert below.pmf(0) > 0.025 or below.pmf(count) > 0.025
        return
    low, high = ranks
    assert 0 <= low < high < count
    assert below.cdf(low) <= 0.025 < below.cdf(low + 1)
    assert below.sf(high) <= 0.025 < below.sf(high - 1)


@pytest.mark.parametrize("count", [1, 5, 6, 7, 100, 256, 2048])
def test_the_ranks_of_the_median_are_those_of_the_quantile_at_a_half(count: int) -> None:
    assert quantile_ranks(count, 0.5) == median_ranks(count)


def test_the_interval_of_a_quantile_covers_without_a_mean() -> None:
    """Cauchy's 90% quantile is tan(0.4 pi)."""
    ordered = np.sort(np.random.default_rng(6).standard_cauchy((256, REPEATS)), axis=0)
    found = quantile_interval(ordered, 0.9)
    np.testing.assert_allclose(found.value, np.quantile(ordered, 0.9, axis=0))
    assert 0.95 <= covered(found.low, found.high, np.tan(0.4 * np.pi)) <= 0.98
    assert np.isnan(quantile_interval(ordered[:20], 0.9).low).all()  # too few to leave 2.5% above


@given(st.integers(0, 50), st.booleans())
def test_the_worst_group_is_the_worst_mean(seed: int, lower_is_better: bool) -> None:
    generator = np.random.default_rng(seed)
    values, groups = generator.normal(size=(60, 2)), generator.integers(0, 3, 60)
    means = [values[groups == number].mean(axis=0) for number in np.unique(groups)]
    found = worst_group(values, groups, lower_is_better)
    np.testing.assert_allclose(found.value, (np.max if lower_is_better else np.min)(means, axis=0))
    one = worst_group(values, np.zeros(60, dtype=int), lower_is_better)
    np.testing.assert_allclose([one.low, one.high], [mean_interval(values).low, mean_interval(values).high])


def test_the_interval_of_the_worst_of_equal_groups_covers_where_the_worst_ones_own_does_not() -> None:
    """16 groups of the same mean: the largest of their means lies above it, and a third of the time its interval."""
    generator, groups = np.random.default_rng(7), np.repeat(np.arange(16), 40)
    values = generator.normal(1.0, 1.0, (640, REPEATS))
    found = worst_group(values, groups, lower_is_better=True)
    assert covered(found.low, found.high, 1.0) >= 0.95
    own = [mean_interval(values[groups == number]) for number in range(16)]
    chosen = np.argmax([interval.value for interval in own], axis=0)
    low, high = (np.choose(chosen, [getattr(interval, end) for interval in own]) for end in ("low", "high"))
    assert covered(low, high, 1.0) < 0.75


def test_a_group_of_one_leaves_no_interval() -> None:
    found = worst_group(np.arange(5.0)[:, None], np.array([0, 0, 0, 0, 1]), lower_is_better=True)
    assert found.value == 4.0
    assert np.isnan([found.low, found.high]).all()
