"""Contrasts, multiplicity, margins and e-processes: exact truths and properties."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad
from scipy.stats import t as student

from icl_bench.errors import UsageError
from icl_bench.statistics.contrasts import (
    Contrast,
    adverse_change,
    contrast,
    jackknifed,
    relative_change,
)
from icl_bench.statistics.effective_number import effective_number
from icl_bench.statistics.intervals import mean_interval
from icl_bench.statistics.multiplicity import closed_e_values, weighted_holm
from icl_bench.statistics.non_inferiority import better_p_value, smallest_detectable, worse_p_value
from icl_bench.statistics.sequential import MixtureState


def losses(seed: int, rows: int = 200, columns: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).chisquare(1, (rows, columns))


def one(value: float, stderr: float, degrees: float = 99.0) -> Contrast:
    return Contrast(np.array([value]), np.array([stderr]), degrees)


# contrasts


@pytest.mark.parametrize("cluster_size", [1, 8])
def test_influences_are_those_of_leaving_out_one_cluster(cluster_size: int) -> None:
    """The standard error of log(mean + 0.1) by the delete-one-cluster jackknife, from its definition."""
    values = losses(1, rows=128)
    clusters = 128 // cluster_size
    grouped = values.reshape(clusters, cluster_size, 3)
    without = np.log((values.sum(0) - grouped.sum(1)) / (128 - cluster_size) + 0.1)
    expected = np.sqrt((clusters - 1) / clusters * np.square(without - without.mean(0)).sum(0))
    size = values.mean(0) + 0.1
    found = contrast(np.log(size), jackknifed((values - values.mean(0)) / size, cluster_size), cluster_size)
    np.testing.assert_allclose(found.stderr, expected, rtol=1e-9)
    assert found.degrees == clusters - 1


def test_contrast_of_plain_means_is_the_interval_of_the_mean() -> None:
    half = losses(2, rows=64)
    values = np.concatenate([half, 8.0 - half])  # as many clusters above as below: nothing to correct for skewness
    expected = mean_interval(values, 16)
    found = contrast(values.mean(0), values - values.mean(0), 16)
    np.testing.assert_allclose(found.stderr, expected.stderr)
    np.testing.assert_allclose(found.interval(), (expected.low, expected.high))


@pytest.mark.parametrize("cluster_size", [None, 200, 500])
def test_one_cluster_gives_a_change_without_standard_error(cluster_size: int | None) -> None:
    found = relative_change(losses(3), 2 * losses(4), 0.0, cluster_size)
    assert np.isfinite(found.value).all()
    assert np.isnan(found.stderr).all()
    assert np.isnan(found.interval()).all()
    assert np.isnan(worse_p_value(found, 0.05)).all()


@given(
    values=arrays(np.float32, (12, 3), elements=st.floats(0, 2.0**100, width=32)), floor=st.sampled_from([0.0, 1e-3])
)
def test_equal_losses_changed_by_exactly_nothing(values: np.ndarray, floor: float) -> None:
    found = relative_change(values, values.copy(), floor)
    assert found.value.tolist() == [0.0, 0.0, 0.0]
    assert found.stderr.tolist() == [0.0, 0.0, 0.0]


@given(seed=st.integers(0, 100), exponent=st.integers(-12, 12), factor=st.floats(0.01, 100.0))
def test_a_factor_is_a_shift_of_the_logarithm_at_every_size(seed: int, exponent: int, factor: float) -> None:
    base = losses(seed, rows=64) * 10.0**exponent
    found = relative_change(base, factor * base)
    np.testing.assert_allclose(found.value, math.log(factor), rtol=1e-12, atol=1e-13)
    assert (found.stderr < 1e-12).all()


def test_a_tiny_change_keeps_its_digits() -> None:
    base = losses(5) * 1e-12
    found = relative_change(base, base * (1 + 2.0**-40))
    np.testing.assert_allclose(found.value, 2.0**-40, rtol=1e-3)


def test_exchanging_base_and_head_exchanges_the_sign() -> None:
    base, head = losses(6), losses(7)
    there, back = relative_change(base, head, 0.1), relative_change(head, base, 0.1)
    np.testing.assert_allclose(there.value, -back.value, rtol=1e-12)
    np.testing.assert_allclose(there.stderr, back.stderr, rtol=1e-12)


def test_constant_losses_have_no_error() -> None:
    base, head = np.full((50, 1), 0.1), np.full((50, 1), 0.3)
    found = relative_change(base, head)
    assert found.value[0] == pytest.approx(math.log(3))
    assert found.stderr[0] < 1e-12
    assert worse_p_value(found, 0.05).tolist() == [0.0]


def test_from_zero_to_something_is_infinitely_worse_and_a_floor_makes_it_finite() -> None:
    nothing, something = np.zeros((50, 1)), np.full((50, 1), 0.3)
    worse = relative_change(nothing, something)
    assert worse.value.tolist() == [math.inf]
    assert worse_p_value(worse, 0.05).tolist() == [0.0]
    assert relative_change(something, nothing).value.tolist() == [-math.inf]
    assert relative_change(nothing, something, 0.1).value[0] == pytest.approx(math.log(4))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_losses_that_are_no_numbers_give_no_p_value_and_spoil_no_other_column(bad: float) -> None:
    base, head = losses(8), losses(9)
    clean = relative_change(base, head)
    spoilt = head.copy()
    spoilt[:150, 1] = bad
    found = relative_change(base, spoilt)
    assert not math.isfinite(found.value[1])
    assert found.value[[0, 2]].tolist() == clean.value[[0, 2]].tolist()
    assert found.stderr[[0, 2]].tolist() == clean.stderr[[0, 2]].tolist()


def test_other_prompts_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(10, 1\) and \(9, 1\)"):
        relative_change(np.ones((10, 1)), np.ones((9, 1)))


def test_pairing_cancels_what_both_runs_share() -> None:
    generator = np.random.default_rng(10)
    base = generator.chisquare(1, (4096, 1))
    head = base * generator.uniform(0.9, 1.1, base.shape)
    paired = relative_change(base, head).stderr
    assert paired < 0.5 * relative_change(base, generator.permutation(head)).stderr


# multiplicity


def holm_by_closure(p_values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Adjusted p-values from the closed test of weighted Bonferroni, over all subsets."""
    found = np.zeros(len(p_values))
    for size in range(1, len(p_values) + 1):
        for chosen in itertools.combinations(range(len(p_values)), size):
            members = list(chosen)
            whole = min(1.0, (p_values[members] / weights[members]).min() * weights[members].sum())
            found[members] = np.maximum(found[members], whole)
    return found


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 10)), min_size=1, max_size=6))
def test_weighted_holm_is_the_closure_of_weighted_bonferroni(pairs: list[tuple[float, float]]) -> None:
    p_values, weights = (np.array(column) for column in zip(*pairs, strict=True))
    np.testing.assert_allclose(weighted_holm(p_values, weights), holm_by_closure(p_values, weights), rtol=1e-9)


def test_holm_in_a_textbook_case() -> None:
    adjusted = weighted_holm(np.array([0.01, 0.04, 0.03, 0.005]), np.ones(4))
    np.testing.assert_allclose(adjusted, [0.03, 0.06, 0.06, 0.02])


def test_a_hypothesis_without_weight_is_never_rejected_and_costs_nothing() -> None:
    adjusted = weighted_holm(np.array([0.0, 0.02, 0.04]), np.array([0.0, 1.0, 1.0]))
    np.testing.assert_allclose(adjusted, [1.0, 0.04, 0.04])
    assert weighted_holm(np.zeros(0), np.zeros(0)).shape == (0,)


@pytest.mark.parametrize(
    ("p_values", "weights"),
    [([math.nan], [1.0]), ([1.1], [1.0]), ([0.1], [-1.0]), ([0.1], [math.inf]), ([0.1, 0.2], [1.0])],
)
def test_weighted_holm_refuses_what_is_no_p_value_or_weight(p_values: list[float], weights: list[float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        weighted_holm(np.array(p_values), np.array(weights, dtype=float))


@given(st.lists(st.one_of(st.floats(-30, 30), st.just(-math.inf), st.just(900.0)), min_size=1, max_size=7))
def test_closed_e_values_are_the_smallest_mean_of_any_set(e_log: list[float]) -> None:
    logs = np.array(e_log)
    expected = np.full(len(logs), np.inf)
    for size in range(1, len(logs) + 1):
        for chosen in itertools.combinations(range(len(logs)), size):
            members = list(chosen)
            mean = np.logaddexp.reduce(logs[members]) - math.log(size)
            expected[members] = np.minimum(expected[members], mean)
    np.testing.assert_allclose(closed_e_values(logs), expected, rtol=1e-9, atol=1e-9)


def test_closed_e_values_refuse_nan_and_take_none() -> None:
    with pytest.raises(ValueError, match="NaN"):
        closed_e_values(np.array([0.0, math.nan]))
    assert closed_e_values(np.zeros(0)).shape == (0,)


# margins


def test_p_values_are_students_about_the_margin() -> None:
    found = worse_p_value(one(0.1, 0.02, 30), 0.05)
    assert found[0] == pytest.approx(student.sf((0.1 - math.log(1.05)) / 0.02, 30), rel=1e-3)
    assert better_p_value(one(-0.1, 0.02, 30), 0.05)[0] == pytest.approx(found[0])


@given(st.floats(-1, 1), st.floats(1e-4, 1), st.floats(0, 0.5))
def test_a_change_is_not_worse_and_better_at_once(value: float, stderr: float, margin: float) -> None:
    change = one(value, stderr)
    assert worse_p_value(change, margin)[0] + better_p_value(change, margin)[0] >= 1.0 - 1e-12


@pytest.mark.parametrize(
    ("value", "margin", "expected"),
    [(0.0, 0.0, 1.0), (5e-7, 0.0, 1.0), (1e-5, 0.0, 0.0), (0.0100, 0.01, 0.0), (0.0099, 0.01, 1.0), (-9.0, 0.0, 1.0)],
)
def test_without_error_the_value_decides(value: float, margin: float, expected: float) -> None:
    assert worse_p_value(one(value, 0.0), margin).tolist() == [expected]


def test_no_number_gives_no_p_value() -> None:
    for change in (one(math.nan, 0.1), one(0.1, math.nan), one(math.nan, 0.0)):
        assert np.isnan(worse_p_value(change, 0.01)).all()


@pytest.mark.parametrize("margin", [-0.01, math.nan, math.inf])
def test_margins_that_are_none_are_refused(margin: float) -> None:
    for use in (worse_p_value, better_p_value):
        with pytest.raises(UsageError, match="margin"):
            use(one(0.0, 0.1), margin)
    with pytest.raises(UsageError, match="margin"):
        smallest_detectable(np.ones(1), 10, margin, 0.05)
    with pytest.raises(UsageError, match="margin"):
        MixtureState.empty(1).updated(np.zeros(1), np.ones(1), margin, 10)


def test_smallest_detectable_is_normal_power_in_the_limit() -> None:
    found = smallest_detectable(np.array([0.01, 0.0]), 1e9, 0.0, 0.05)
    np.testing.assert_allclose(found, [math.expm1((1.6449 + 1.2816) * 0.01), 0.0], rtol=1e-3, atol=2e-6)
    for alpha, power in ((0.0, 0.9), (0.05, 1.0), (math.nan, 0.5)):
        with pytest.raises(UsageError, match="alpha and power"):
            smallest_detectable(np.ones(1), 10, 0.0, alpha, power)


# sequential


def look(state: MixtureState, value: float, stderr: float) -> MixtureState:
    return state.updated(np.array([value]), np.array([stderr]), 0.01, 255)


def test_before_any_look_there_is_no_evidence() -> None:
    np.testing.assert_allclose(MixtureState.empty(3).log_e(0.03), 0.0, atol=1e-15)


@pytest.mark.parametrize("score", [-400.0, 0.0, 300.0])
def test_log_e_is_the_integral_over_the_half_normal(score: float) -> None:
    information, scale = 2e4, 0.03
    state = MixtureState(np.array([information]), np.array([score]), np.array([1.0]))

    def integrand(rise: float) -> float:
        density = 2 * math.exp(-0.5 * (rise / scale) ** 2) / (scale * math.sqrt(2 * math.pi))
        return math.exp(rise * score - 0.5 * rise**2 * information) * density

    assert state.log_e(scale)[0] == pytest.approx(math.log(quad(integrand, 0, 0.5, limit=500, epsabs=0)[0]), abs=1e-6)


def test_information_adds_up_and_the_score_is_the_pooled_excess() -> None:
    state = look(look(MixtureState.empty(1), math.log(1.01), 0.02), math.log(1.01), 0.02)
    assert state.information[0] == pytest.approx(2 / 0.02**2, rel=0.01)
    assert state.score[0] == pytest.approx(0.0, abs=1e-9)
    risen = look(state, math.log(1.01) + 0.03, 0.02)
    assert risen.score[0] / risen.information[0] == pytest.approx(0.01, rel=1e-9)


def test_looks_pool_as_the_prompts_would() -> None:
    """Two nights of n prompts leave the state of one night of 2n, to the error of the t-based variance."""
    values = np.random.default_rng(13).normal(0.02, 0.3, 512)

    def of(part: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
        return np.array([part.mean()]), np.array([part.std(ddof=1) / math.sqrt(len(part))]), 0.01, len(part) - 1.0

    twice = MixtureState.empty(1).updated(*of(values[:300])).updated(*of(values[300:]))
    once = MixtureState.empty(1).updated(*of(values))
    np.testing.assert_allclose(twice.information, once.information, rtol=1e-5)
    np.testing.assert_allclose(twice.score, once.score, rtol=1e-5)


def test_a_night_without_a_look_changes_nothing() -> None:
    before = look(MixtureState.empty(1), 0.03, 0.02)
    for value, stderr in ((math.nan, 0.02), (0.03, math.nan)):
        assert look(before, value, stderr) == before


def test_evidence_grows_with_a_rise_and_falls_without() -> None:
    risen = steady = MixtureState.empty(1)
    for _ in range(50):
        risen, steady = look(risen, 0.05, 0.02), look(steady, 0.0, 0.02)
    assert risen.log_e(0.03)[0] > math.log(24 / 0.05)
    assert steady.log_e(0.03)[0] < 0.0


@pytest.mark.parametrize(
    ("value", "alarm"), [(0.0, False), (0.1, True), (5.0, True), (math.inf, True), (-math.inf, False)]
)
def test_looks_without_error_and_infinite_changes_are_evidence(value: float, alarm: bool) -> None:
    state = look(MixtureState.empty(1), value, 0.0)
    assert np.isfinite(state.log_e(0.03)).all()
    assert (state.log_e(0.03)[0] > math.log(20)) == alarm


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_scales_that_are_none_are_refused(scale: float) -> None:
    with pytest.raises(UsageError, match="scale"):
        MixtureState.empty(1).log_e(scale)


@pytest.mark.parametrize("cluster_size", [1, 4, 7])
def test_pseudo_values_leave_out_one_cluster_at_a_time(cluster_size: int) -> None:
    rng = np.random.default_rng(5)
    base, head = np.exp(rng.standard_normal((60, 1))), np.exp(1.1 * rng.standard_normal((60, 1)))
    floor, starts = 0.01, list(range(0, 60, cluster_size))
    theta = np.log((head.mean() + floor) / (base.mean() + floor))
    without = []
    for start in starts:
        kept = np.r_[0:start, min(start + cluster_size, 60) : 60]
        without.append(np.log((head[kept].mean() + floor) / (base[kept].mean() + floor)))
    n = len(starts)
    found = adverse_change(base, head, floor, cluster_size)
    assert found.value[0] == pytest.approx(theta)
    if 60 % cluster_size == 0:
        u = (n - 1) * (theta - np.array(without))
        most, spread = np.abs(u).max(), np.sum((u - u.mean()) ** 2)
        assert float(np.ravel(found.charge)[0]) == pytest.approx(most / n)
        assert found.stderr[0] == pytest.approx(np.sqrt((spread + most**2) / (n * (n - 1))))


def test_a_mean_of_one_prompt_alone_is_finite_and_far_from_sure() -> None:
    base, head = np.full((50, 1), 1e-9), np.full((50, 1), 1e-9)
    head[0] = 1.0
    found = adverse_change(base, head, 1e-12)
    assert np.isfinite(found.value).all()
    assert worse_p_value(found, 0.01)[0] > 0.2


def test_adverse_changes_turn_with_base_and_head() -> None:
    rng = np.random.default_rng(2)
    base, head = rng.exponential(size=(80, 3)), rng.exponential(size=(80, 3))
    there, back = adverse_change(base, head, 0.1), adverse_change(head, base, 0.1)
    np.testing.assert_allclose(worse_p_value(there, 0.02), better_p_value(back, 0.02))
    with pytest.raises(ValueError, match="same prompts"):
        adverse_change(base, head[1:], 0.1)


def test_the_effective_number_is_kishs() -> None:
    losses = np.array([[1.0, 0.0], [1.0, 0.0], [4.0, 0.0]])
    assert effective_number(losses, 1).tolist() == [36 / 18, 3.0]
    assert effective_number(np.ones((64, 1)), 8).tolist() == [8.0]
