"""Exact truths: each formula against simulation, against another formula, or against its own special case."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from icl_bench.errors import NoClosedForm
from icl_bench.function_classes.linear import Linear
from icl_bench.laws.covariates.displaced import Displaced
from icl_bench.laws.covariates.random_diagonal import RandomDiagonal
from icl_bench.laws.covariates.scaled import Scaled
from icl_bench.laws.covariates.spectrum import Spectrum
from icl_bench.laws.covariates.subspace import Subspace
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.labels.student import StudentNoise
from icl_bench.laws.law import Parameters, PromptLaw
from icl_bench.laws.moments import Moments
from icl_bench.laws.query.row_wise import RowWise
from icl_bench.laws.sizes import Sizes
from icl_bench.plugins import loading
from icl_bench.prompts import PromptBatch
from icl_bench.seeding import Streams
from icl_bench.theory.attention_theorems import isotropic_risk, random_diagonal_risk, theorem_4_2_risk
from icl_bench.theory.least_squares import ols_error_quantiles, ols_risk, ols_shifted_risk, sample_ols_squared_error
from icl_bench.theory.linear_self_attention import (
    gamma,
    global_minimum,
    one_layer_risk,
    optimal,
    random_covariance_minimum,
)
from icl_bench.theory.tails import label_tail, least_squares_tail, noise_limited_tail

Z = 4.5
EYE3 = torch.eye(3, dtype=torch.float64)


def positive(seed: int, n_dims: int = 3) -> Tensor:
    """A random well-conditioned covariance, (dim, dim)."""
    root = torch.randn(n_dims, n_dims, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return root @ root.mT / n_dims + 0.3 * torch.eye(n_dims, dtype=torch.float64)


def fixed(covariance: Tensor, mean: Tensor | None = None) -> Moments:
    """Moments that all prompts share."""
    return Moments((torch.zeros(len(covariance)).double() if mean is None else mean)[None], covariance[None])


def z_score(sample: np.ndarray, expected: float | np.ndarray = 0.0) -> float:
    """How many standard errors the sample's mean lies from what is expected."""
    deviation = sample - expected
    return float(deviation.mean() / (deviation.std() / len(deviation) ** 0.5))


def simulate_layer(
    matrix: Tensor, context: Moments, query: Moments, omega: Tensor, noise: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Squared errors of x_q . A S, one a row of `noise` (prompt, context)."""
    n_prompts, size = noise.shape
    root = np.linalg.cholesky(context.covariance[0].numpy())
    x = rng.standard_normal((n_prompts, size, 3)) @ root.T + context.mean[0].numpy()
    x_q = rng.standard_normal((n_prompts, 3)) @ np.linalg.cholesky(query.covariance[0].numpy()).T
    x_q = x_q + query.mean[0].numpy()
    w = rng.standard_normal((n_prompts, 3)) @ np.linalg.cholesky(omega.numpy()).T
    y = np.einsum("pki,pi->pk", x, w) + noise
    answers = np.einsum("pi,ij,pkj,pk->p", x_q, matrix.numpy(), x, y, optimize=True) / size
    return np.asarray((answers - (x_q * w).sum(1)) ** 2)


@pytest.mark.parametrize("seed", range(6))
def test_the_master_formula_holds_under_joint_shifts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    means = torch.from_numpy(rng.standard_normal((2, 3)))
    context, query = fixed(positive(seed), means[0]), fixed(positive(seed + 50), means[1])
    matrix, omega = torch.from_numpy(rng.standard_normal((3, 3))) / 2.0, positive(seed + 100)
    size = (1, 2, 4, 7, 10, 20)[seed]
    noise = 0.6 * rng.standard_t(9, (150_000, size)) * (7 / 9) ** 0.5  # any law with this variance
    errors = simulate_layer(matrix, context, query, omega, noise, rng)
    expected = one_layer_risk(matrix, context, query, omega, 0.36, size)
    assert expected.shape == (1,)
    assert abs(z_score(errors, float(expected))) < Z


def test_no_examples_leave_the_power_of_the_signal() -> None:
    query, omega = fixed(positive(1), torch.ones(3).double()), positive(2)
    risk = one_layer_risk(EYE3, fixed(EYE3), query, omega, 1.0, 0)
    assert float(risk) == pytest.approx(float(torch.trace(query.second[0] @ omega)))


@pytest.mark.parametrize("noise_variance", [0.0, 0.5])
def test_the_optimal_layer_is_where_the_gradient_vanishes(noise_variance: float) -> None:
    covariance, omega, n_context = positive(3), positive(4), 7
    best = optimal(covariance, omega, n_context, noise_variance)

    def risk(matrix: Tensor, query: Tensor) -> Tensor:
        return one_layer_risk(matrix, fixed(covariance), fixed(query), omega, noise_variance, n_context).sum()

    for query in (covariance, positive(5)):  # optimal for any invertible query law
        at = best.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(risk(at, query), at)
        assert gradient.abs().max() < 1e-12
        for seed in range(5):
            other = best + 0.05 * positive(seed) * (-1) ** seed
            assert risk(other, query) > risk(best, query)


def test_the_paper_s_weights_are_the_optimum_of_its_training_law() -> None:
    covariance = positive(6)
    torch.testing.assert_close(global_minimum(covariance, 9), optimal(covariance, EYE3, 9, 0.0))
    torch.testing.assert_close(gamma(EYE3, 10), (1 + 4 / 10) * EYE3)
    one_step = optimal(
        EYE3, 4.0 * EYE3, 9, 0.5
    )  # one step of gradient descent, eta/n with eta = 1/(n + d + 1 + s2/tau^2)
    torch.testing.assert_close(one_step / 9, EYE3 / (9 + 3 + 1 + 0.5 / 4.0))


@pytest.mark.parametrize(("n_training", "n_test"), [(5, 5), (5, 50), (40, 3)])
def test_theorem_4_2_agrees_with_the_master_formula(n_training: int, n_test: int) -> None:
    """For y = w . x with one w: a = w, Cov(x y) = L w w^T L + (w . L w) L, and no error is left by the best weights."""
    covariance, w = positive(7), torch.tensor([1.0, -2.0, 0.5]).double()
    outer = covariance @ w[:, None] @ w[None] @ covariance
    risk = theorem_4_2_risk(covariance, w, outer + (w @ covariance @ w) * covariance, 0.0, n_training, n_test)
    omega = w[:, None] * w[None]
    layer = one_layer_risk(
        global_minimum(covariance, n_training), fixed(covariance), fixed(covariance), omega, 0.0, n_test
    )
    assert risk == pytest.approx(float(layer))


def test_theorem_4_2_on_quadratic_targets() -> None:
    """y = sum w_i x_i^2 / sqrt 3: a = 0, E y^2 = d, mean Cov(x y) = (d + 4) I; THEORY gives d + d(d + 4)/(M g^2)."""
    d, n_training, n_test = 6, 12, 9
    eye = torch.eye(d, dtype=torch.float64)
    risk = theorem_4_2_risk(eye, torch.zeros(d).double(), (d + 4) * eye, float(d), n_training, n_test)
    g = 1 + (d + 1) / n_training
    assert risk == pytest.approx(d + d * (d + 4) / (n_test * g**2))
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((60_000, n_test + 1, d)), rng.standard_normal((60_000, 1, d))
    y = (w * x**2).sum(-1) / 3**0.5
    answers = np.einsum("pi,pki,pk->p", x[:, -1], x[:, :-1], y[:, :-1]) / (n_test * g)
    assert abs(z_score((answers - y[:, -1]) ** 2, risk)) < Z


@pytest.mark.parametrize("scale", [1.0, 4.0, 9.0])
def test_random_diagonal_covariances(scale: float) -> None:
    """The closed form is the mean of the master formula over Exp(1) diagonals, with Theorem 4.5's weights."""
    d, n_training, n_test = 4, 10, 7
    matrix = random_covariance_minimum(1.0, 2.0, 6.0, d, n_training)
    factor = 1.0 / (3.0 + (d + 5) / n_training)
    torch.testing.assert_close(matrix, factor * torch.eye(d, dtype=torch.float64))
    diagonals = np.random.default_rng(1).exponential(scale, (200_000, d))
    covariance = torch.diag_embed(torch.from_numpy(diagonals))
    moments = Moments(torch.zeros(1, d, dtype=torch.float64), covariance)
    omega = torch.eye(d, dtype=torch.float64)
    per_prompt = one_layer_risk(matrix, moments, moments, omega, 0.3, n_test).numpy()
    assert abs(z_score(per_prompt, random_diagonal_risk(d, factor, scale, n_test, 0.3))) < Z


def test_theorem_4_5_weights_are_the_best_multiple_of_the_identity() -> None:
    d, n_context = 5, 8
    best = float(random_covariance_minimum(1.0, 2.0, 6.0, d, n_context)[0, 0])
    risks = [random_diagonal_risk(d, best + step, 1.0, n_context, 0.0) for step in (-1e-3, 0.0, 1e-3)]
    assert risks[1] < min(risks[0], risks[2])
    assert risks[2] - risks[0] == pytest.approx(0.0, abs=1e-9)  # a parabola is symmetric about its minimum


@pytest.mark.parametrize(("noise_variance", "task_variance"), [(0.0, 1.0), (0.5, 1.0), (0.5, 4.0)])
def test_isotropic_risk_is_the_master_formula_at_the_optimum(noise_variance: float, task_variance: float) -> None:
    omega = task_variance * EYE3
    matrix = optimal(EYE3, omega, 12, noise_variance)
    layer = one_layer_risk(matrix, fixed(EYE3), fixed(EYE3), omega, noise_variance, 5)
    assert isotropic_risk(3, 12, 5, noise_variance, task_variance) == pytest.approx(float(layer))


def test_known_values_of_the_isotropic_risk() -> None:
    assert isotropic_risk(20, 40, 40, 0.0) == pytest.approx(20 * 21 / (40 + 21))
    assert isotropic_risk(20, 100, 10, 0.0) / 20 == pytest.approx(1.464, abs=5e-4)  # worse than predicting zero


def prompts_from(law: PromptLaw, n_blocks: int, seed: int = 0) -> Iterator[tuple[PromptBatch, Tensor, Parameters]]:
    """Prompts, the noiseless answers (prompt, query), and the exact parameters, block by block."""
    for block in range(n_blocks):
        draw = law.draw(Streams(seed, block))
        yield draw.prompts, draw.targets.query_f, draw.parameters


def ols_errors(law: PromptLaw, n_blocks: int) -> np.ndarray:
    """Squared errors of least squares, (prompt, size)."""
    model = loading.build("models", "ols", {})
    parts = [(model.predict(prompts).mean - f).square() for prompts, f, _ in prompts_from(law, n_blocks)]
    return torch.cat(parts).numpy()


NOISY = PromptLaw(Linear(4), GaussianNoise(0.5), Sizes(tuple(range(13))))


def test_least_squares_risk() -> None:
    errors = ols_errors(NOISY, 40)
    for size in (0, 10, 11, 12):  # the variance of e^2 exists from |n - d| >= 4 on
        assert abs(z_score(errors[:, size], ols_risk(4, size, 0.5, 4.0))) < Z
    short = ols_errors(PromptLaw(Linear(9, tau=0.2), GaussianNoise(0.5), Sizes((2, 5))), 40)
    for column, size in enumerate((2, 5)):
        assert abs(z_score(short[:, column], ols_risk(9, size, 0.5, 9 * 0.04))) < Z
    assert all(ols_risk(4, size, 0.5, 4.0) == math.inf for size in (3, 4, 5))


def test_least_squares_risk_without_noise() -> None:
    errors = ols_errors(replace(NOISY, noise=GaussianNoise(0.0)), 20)
    for size in range(4):
        assert abs(z_score(errors[:, size], ols_risk(4, size, 0.0, 4.0))) < Z
    assert errors[:, 4:].max() < 1e-8
    assert [ols_risk(4, size, 0.0, 4.0) for size in (3, 4, 5)] == [1.0, 0.0, 0.0]


def test_least_squares_risk_under_covariate_and_query_shift() -> None:
    law = replace(NOISY, sizes=Sizes((12,)), noise=StudentNoise(0.5, 9.0))
    law = law.add("covariates", Spectrum(1.0, None)).add("query", RowWise(Displaced(1.0))).under("twice")
    law = law.add("query", RowWise(Scaled(2.0)))
    parameters = law.parameters(Streams(0, 0))
    ratio = float(torch.trace(parameters.query.second[0] @ torch.linalg.inv(parameters.context.covariance[0])))
    assert abs(z_score(ols_errors(law, 40)[:, 0], ols_shifted_risk(4, 12, 0.5, ratio))) < Z
    assert ols_shifted_risk(4, 12, 0.5, 4.0) == pytest.approx(ols_risk(4, 12, 0.5, 4.0))
    with pytest.raises(NoClosedForm):
        ols_shifted_risk(4, 5, 0.5, 4.0)


LEVELS = (0.1, 0.5, 0.9)


def test_the_exact_law_of_least_squares_errors_holds_at_every_size() -> None:
    """At n = d - 1, d, d + 1, too, where the mean is infinite: each quantile has its share of errors below it."""
    errors = ols_errors(NOISY, 24)
    rng = np.random.default_rng(3)
    for size in range(13):
        quantiles = ols_error_quantiles(4, size, 0.5, 1.0, LEVELS)
        drawn = sample_ols_squared_error(4, size, 0.5, 1.0, 100_000, rng)
        for level, quantile in zip(LEVELS, quantiles, strict=True):
            for sample in (errors[:, size], drawn):
                share = float((sample < quantile).mean())
                assert abs(share - level) < Z * (level * (1 - level) / len(sample)) ** 0.5


def test_the_exact_law_has_the_exact_mean() -> None:
    rng = np.random.default_rng(4)
    for size, n_dims in ((2, 8), (4, 8), (14, 8)):
        sample = sample_ols_squared_error(n_dims, size, 1.0, 0.1, 400_000, rng)
        assert abs(z_score(sample, ols_risk(n_dims, size, 1.0, 0.1 * n_dims))) < Z


@pytest.mark.parametrize("gap", [-1, 0, 1, 2])
def test_tails_of_least_squares_errors_have_their_index(gap: int) -> None:
    """P(e^2 > t) falls as t^-index."""
    n_dims, far = 3, 100.0
    index = least_squares_tail(known_parameters(n_dims), n_dims + gap)
    assert index == (abs(gap) + 1) / 2
    sample = sample_ols_squared_error(n_dims, n_dims + gap, 1.0, 1.0, 4_000_000, np.random.default_rng(5))
    counts = (sample > far).sum(), (sample > 4 * far).sum()
    assert counts[0] / counts[1] == pytest.approx(4**index, rel=0.15)


def known_parameters(n_dims: int, **changes: float) -> Parameters:
    moments = fixed(torch.eye(n_dims, dtype=torch.float64))
    omega = torch.eye(n_dims, dtype=torch.float64)
    known = Parameters(moments, moments, omega, 1.0, math.inf, n_dims, math.inf)
    return replace(known, **changes)  # type: ignore[arg-type]


def test_tail_indices() -> None:
    assert [least_squares_tail(known_parameters(4), size) for size in (1, 2, 3, 4, 5, 6, 8)] == [
        2,
        1.5,
        1,
        0.5,
        1,
        1.5,
        2.5,
    ]
    assert least_squares_tail(known_parameters(4), 0) == math.inf
    assert least_squares_tail(known_parameters(4, noise_variance=0.0), 4) == math.inf
    assert least_squares_tail(known_parameters(4, context_rank=2), 4) == 1.5
    assert least_squares_tail(known_parameters(4, inverse_tail=1.0), 20) == 1.0
    assert least_squares_tail(known_parameters(4, noise_tail=3.0), 20) == 1.5
    assert noise_limited_tail(known_parameters(4, noise_tail=5.0)) == 2.5
    assert noise_limited_tail(known_parameters(4)) == math.inf
    assert label_tail(known_parameters(4, noise_tail=5.0), 4.0) == 2.5
    assert label_tail(known_parameters(4), 1.5) == 1.5
    assert label_tail(known_parameters(4), None) is None


def test_laws_state_their_rank_and_tails() -> None:
    streams = Streams(0, 0)
    subspace = NOISY.add("covariates", Subspace(2)).parameters(streams)
    assert subspace.context_rank == 2
    diagonal = NOISY.add("covariates", RandomDiagonal(1.0))
    assert diagonal.parameters(streams).inverse_tail == math.inf  # the query shares the small eigenvalue
    assert diagonal.add("query", RowWise(Scaled(2.0))).parameters(streams).inverse_tail == 1.0
    assert replace(NOISY, noise=StudentNoise(0.5, 3.0)).parameters(streams).noise_tail == 3.0
