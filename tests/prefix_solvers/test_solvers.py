"""All context sizes at once give what a direct solve of each context gives, at every rank."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from icl_bench.prefix_solvers.descent import descent_matrix, descent_weights, newton_inverse, newton_weights
from icl_bench.prefix_solvers.gaussian_posterior import gaussian_posterior, ridge_weights
from icl_bench.prefix_solvers.min_norm import min_norm_fit
from icl_bench.prefix_solvers.prefix_moments import prefix_cross, prefix_gram, prefix_labels
from icl_bench.prompts import PromptBatch

ATOL = 5e-8


def prompts_of(x: Tensor, sizes: tuple[int, ...] | None = None, seed: int = 0, noise: float = 0.5) -> PromptBatch:
    """Prompts with context x (prompt, context, dim), labels of random linear functions, one query a size."""
    generator = torch.Generator().manual_seed(seed)
    n_prompts, n_context, n_dims = x.shape
    sizes = sizes if sizes is not None else tuple(range(n_context + 1))
    w = torch.randn(n_prompts, n_dims, 1, dtype=torch.float64, generator=generator)
    y = (x @ w)[:, :, 0] + noise * torch.randn(n_prompts, n_context, dtype=torch.float64, generator=generator)
    query_x = torch.randn(n_prompts, len(sizes), n_dims, dtype=torch.float64, generator=generator)
    return PromptBatch(x, y, query_x, sizes, next_example=False)


def gaussian(n_prompts: int, n_context: int, n_dims: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed + 1000)
    return torch.randn(n_prompts, n_context, n_dims, dtype=torch.float64, generator=generator)


def each_context(prompts: PromptBatch, solve: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Tensor:
    """Call solve(x (k, dim), y (k,)) for each prompt and distinct size: (prompt, size, ...)."""
    sizes = prompts.distinct_sizes()[0]
    x, y = prompts.context_x.numpy(), prompts.context_y.numpy()
    rows = [[solve(x[p, :k], y[p, :k]) for k in sizes] for p in range(prompts.n_prompts)]
    return torch.from_numpy(np.array(rows))


def pseudo_inverse(x: np.ndarray) -> np.ndarray:
    """By the SVD; the empty context has the zero map."""
    return np.linalg.pinv(x, rcond=1e-11) if len(x) else np.zeros((x.shape[1], 0))


shapes = st.tuples(st.integers(0, 12), st.integers(1, 6), st.integers(0, 1000))


@settings(deadline=None, max_examples=60)
@given(shapes, st.data())
def test_min_norm_agrees_with_the_svd(shape: tuple[int, int, int], data: st.DataObject) -> None:
    n_context, n_dims, seed = shape
    picked = data.draw(st.sets(st.integers(0, n_context), min_size=1))
    prompts = prompts_of(gaussian(3, n_context, n_dims, seed), tuple(sorted(picked)), seed)
    found = min_norm_fit(prompts).weights
    expected = each_context(prompts, lambda x, y: pseudo_inverse(x) @ y)
    torch.testing.assert_close(found, expected, rtol=ATOL, atol=ATOL)


def repeated(x: Tensor) -> Tensor:
    x = x.clone()
    x[:, 3], x[:, 7], x[:, -1] = x[:, 1], -2.0 * x[:, 1], x[:, 0]
    return x


def with_zero_rows(x: Tensor) -> Tensor:
    x = x.clone()
    x[:, [0, 5, 19, 20]] = 0.0
    return x


def in_subspace(x: Tensor) -> Tensor:
    basis = torch.linalg.qr(gaussian(len(x), x.shape[2], x.shape[2] // 2, 77))[0]
    return x @ basis @ basis.mT


def some_deficient(x: Tensor) -> Tensor:
    return torch.cat([x[:3], in_subspace(x[3:6]), repeated(x[6:9]), with_zero_rows(x[9:])])


DESIGNS: dict[str, Callable[[Tensor], Tensor]] = {
    "full": lambda x: x,
    "small": lambda x: 1e-6 * x,
    "large": lambda x: 1e6 * x,
    "displaced": lambda x: x + 4.0 / x.shape[2] ** 0.5,
    "skewed": lambda x: x * torch.arange(1, x.shape[2] + 1) ** -1.0,
    "repeated rows": repeated,
    "zero rows": with_zero_rows,
    "rank stops at d/2": in_subspace,
    "some deficient": some_deficient,
}


@pytest.mark.parametrize("with_maps", [False, True])
@pytest.mark.parametrize("design", DESIGNS)
def test_min_norm_is_right_at_every_rank(design: str, with_maps: bool) -> None:
    prompts = prompts_of(DESIGNS[design](gaussian(12, 45, 20)))
    fit = min_norm_fit(prompts, with_maps=with_maps)
    expected = each_context(prompts, lambda x, y: pseudo_inverse(x) @ y)
    scale = expected.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    assert ((fit.weights - expected) / scale).abs().max() < ATOL
    ranks = each_context(
        prompts, lambda x, y: np.array(np.linalg.matrix_rank(x, tol=1e-9 * np.abs(x).max()) if len(x) else 0)
    )
    assert torch.equal(fit.rank, ranks)
    outside = each_context(prompts, lambda x, y: np.eye(20) - pseudo_inverse(x) @ x)
    unseen = torch.einsum("pkij,pkj->pki", outside, prompts.query_x).square().sum(-1)
    torch.testing.assert_close(fit.unseen(prompts.query_x), unseen, rtol=0.0, atol=1e-9)


@pytest.mark.parametrize("extra", [-1, 0, 1, 2, 3])
def test_min_norm_is_right_around_the_interpolation_threshold(extra: int) -> None:
    prompts = prompts_of(gaussian(400, 23, 20, seed=9), (20 + extra,))
    expected = each_context(prompts, lambda x, y: pseudo_inverse(x) @ y)
    scale = expected.norm(dim=-1, keepdim=True)
    assert ((min_norm_fit(prompts).weights - expected) / scale).abs().max() < ATOL


@pytest.mark.parametrize("gap", [1e-3, 1e-5, 1e-7, 1e-9])
def test_min_norm_stands_near_dependence(gap: float) -> None:
    """Two examples almost alike: what k = d loses by its condition number is not lost for the sizes after it."""
    x = gaussian(6, 12, 5)
    x[:, 2] = x[:, 1] + gap * x[:, 2]
    prompts = prompts_of(x, noise=0.0)
    truth = each_context(prompts, lambda x, y: pseudo_inverse(x) @ y)[:, -1:]  # noiseless labels: the task's weights
    error = (min_norm_fit(prompts).weights[:, 5:] - truth).abs().amax((0, 2))
    assert error[0] < 1e-13 / gap
    assert error[1:].max() < 1e-12


def test_min_norm_maps_are_those_of_the_pseudo_inverse() -> None:
    prompts = prompts_of(some_deficient(gaussian(12, 24, 20)), (0, 1, 7, 10, 15, 24))
    maps = min_norm_fit(prompts, with_maps=True).maps()
    torch.testing.assert_close(
        maps.signal, each_context(prompts, lambda x, y: pseudo_inverse(x) @ x), rtol=0.0, atol=1e-9
    )
    noise = each_context(prompts, lambda x, y: pseudo_inverse(x) @ pseudo_inverse(x).T)
    assert ((maps.noise - noise).abs().amax((2, 3)) <= 1e-9 * noise.abs().amax((2, 3)).clamp_min(1.0)).all()


def test_answers_do_not_depend_on_the_company() -> None:
    prompts = prompts_of(some_deficient(gaussian(12, 45, 20)))
    together = min_norm_fit(prompts).weights, ridge_weights(prompts, 0.3), descent_weights(prompts, 5, 0.1)
    for row in range(12):
        alone = prompts.select(slice(row, row + 1))
        apart = min_norm_fit(alone).weights, ridge_weights(alone, 0.3), descent_weights(alone, 5, 0.1)
        for first, second in zip(together, apart, strict=True):
            torch.testing.assert_close(first[row : row + 1], second, rtol=1e-9, atol=1e-9)


def direct_ridge(penalty: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return lambda x, y: np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)


def check_posterior(prompts: PromptBatch, penalty: float) -> None:
    """Hold every part of the posterior to a direct solve of each query's context."""
    found = gaussian_posterior(prompts, penalty)
    position = prompts.distinct_sizes()[1]
    weights = each_context(prompts, direct_ridge(penalty))
    torch.testing.assert_close(ridge_weights(prompts, penalty), weights, rtol=1e-9, atol=1e-9)
    mean = (weights[:, position] * prompts.query_x).sum(-1)
    torch.testing.assert_close(found.mean, mean, rtol=1e-9, atol=1e-9)
    covariance = each_context(prompts, lambda x, y: np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1])))
    leverage = torch.einsum("pqi,pqij,pqj->pq", prompts.query_x, covariance[:, position], prompts.query_x)
    torch.testing.assert_close(found.leverage, leverage, rtol=1e-8, atol=1e-10)

    def evidence(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        kernel = 0.7 * (x @ x.T / penalty + np.eye(len(x)))
        return np.array(stats.multivariate_normal(np.zeros(len(x)), kernel).logpdf(y) if len(x) else 0.0)

    expected = each_context(prompts, evidence)[:, position]
    torch.testing.assert_close(found.log_evidence(0.7, prompts.context_sizes), expected, rtol=1e-9, atol=1e-8)


@settings(deadline=None, max_examples=40)
@given(shapes, st.floats(1e-3, 1e3), st.data())
def test_the_gaussian_posterior_agrees_with_direct_solves(
    shape: tuple[int, int, int], penalty: float, data: st.DataObject
) -> None:
    n_context, n_dims, seed = shape
    sizes = tuple(data.draw(st.lists(st.integers(0, n_context), min_size=1, max_size=5)))
    check_posterior(prompts_of(gaussian(2, n_context, n_dims, seed), sizes, seed), penalty)


@pytest.mark.parametrize("n_context", [63, 64, 65, 128, 129, 300])
def test_the_gaussian_posterior_crosses_its_chunks(n_context: int) -> None:
    marks = {0, 1, 20, 63, 64, 65, 66, 127, 128, 129, 191, 192, 193, 256, n_context - 1, n_context}
    sizes = tuple(sorted(size for size in marks if size <= n_context))
    check_posterior(prompts_of(gaussian(2, n_context, 6), sizes), 0.25)


@pytest.mark.parametrize("n_dims", [6, 40])
def test_min_norm_crosses_its_chunks(n_dims: int) -> None:
    prompts = prompts_of(gaussian(3, 300, n_dims), (0, 5, 39, 40, 41, 42, 43, 70, 71, 72, 130, 200, 300))
    expected = each_context(prompts, lambda x, y: pseudo_inverse(x) @ y)
    torch.testing.assert_close(min_norm_fit(prompts).weights, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("penalty", [0.0, -1.0, float("nan")])
def test_a_posterior_needs_a_positive_penalty(penalty: float) -> None:
    prompts = prompts_of(gaussian(1, 2, 2))
    with pytest.raises(ValueError, match="penalty"):
        gaussian_posterior(prompts, penalty)
    with pytest.raises(ValueError, match="penalty"):
        ridge_weights(prompts, penalty)


def test_prefix_sums_are_sums() -> None:
    prompts = prompts_of(gaussian(3, 9, 4))
    sizes = (0, 2, 3, 9)
    x, y = prompts.context_x, prompts.context_y
    for row, k in enumerate(sizes):
        torch.testing.assert_close(prefix_gram(x, sizes)[:, row], x[:, :k].mT @ x[:, :k])
        torch.testing.assert_close(prefix_cross(x, y, sizes)[:, row], (x[:, :k].mT @ y[:, :k, None])[:, :, 0])
        torch.testing.assert_close(prefix_labels(y, sizes)[:, row], y[:, :k].sum(1))
    assert torch.equal(prefix_labels(y, (3, 3, 0))[:, 0], prefix_labels(y, (0, 3))[:, 1])


def stepped(n_steps: int, rate: float, preconditioner: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Gradient descent spelled out."""

    def solve(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        w = np.zeros(x.shape[1])
        for _ in range(n_steps if len(x) else 0):
            w = w + rate / len(x) * preconditioner @ x.T @ (y - x @ w)
        return w

    return solve


@settings(deadline=None, max_examples=40)
@given(shapes, st.integers(1, 9), st.booleans(), st.data())
def test_descent_takes_the_steps_it_says(
    shape: tuple[int, int, int], n_steps: int, preconditioned: bool, data: st.DataObject
) -> None:
    n_context, n_dims, seed = shape
    sizes = tuple(sorted(data.draw(st.sets(st.integers(0, n_context), min_size=1))))
    prompts = prompts_of(gaussian(2, n_context, n_dims, seed), sizes, seed)
    matrix = gaussian(1, n_dims, n_dims, seed)[0] if preconditioned else torch.eye(n_dims).double()
    expected = each_context(prompts, stepped(n_steps, 0.1, matrix.numpy()))
    scale = expected.abs().amax().clamp_min(1.0)
    found = descent_weights(prompts, n_steps, 0.1, matrix if preconditioned else None)
    assert (found - expected).abs().max() < 1e-10 * scale
    count = torch.tensor(sizes).double().clamp_min(1.0)
    maps = descent_matrix(prefix_gram(prompts.context_x, sizes), count, n_steps, 0.1, matrix)
    mapped = (maps @ prefix_cross(prompts.context_x, prompts.context_y, sizes)[..., None])[..., 0]
    assert (mapped - expected).abs().max() < 1e-10 * scale


def test_descent_is_the_same_for_short_and_long_prompts() -> None:
    prompts = prompts_of(gaussian(3, 60, 4), (0, 3, 11, 12, 13, 30, 59, 60))
    expected = each_context(prompts, stepped(12, 0.3, np.eye(4)))
    torch.testing.assert_close(descent_weights(prompts, 12, 0.3), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("n_iterations", [0, 1, 2, 6, 9])
def test_newton_iterations_are_the_ones_named(n_iterations: int) -> None:
    prompts = prompts_of(gaussian(3, 12, 5))

    def iterate(x: np.ndarray) -> np.ndarray:
        gram = x.T @ x
        inverse = gram / max(np.sum(gram**2), 1e-300)
        for _ in range(n_iterations):
            inverse = 2 * inverse - inverse @ gram @ inverse
        return inverse

    inverse = each_context(prompts, lambda x, y: iterate(x))
    found = newton_inverse(prefix_gram(prompts.context_x, prompts.context_sizes), n_iterations)
    torch.testing.assert_close(found, inverse, rtol=1e-9, atol=1e-9)
    weights = each_context(prompts, lambda x, y: iterate(x) @ x.T @ y)
    torch.testing.assert_close(newton_weights(prompts, n_iterations), weights, rtol=1e-9, atol=1e-9)


def test_newton_reaches_the_pseudo_inverse() -> None:
    gram = prefix_gram(in_subspace(gaussian(4, 9, 6)), (0, 2, 9))
    found = newton_inverse(gram, 25)
    expected = torch.linalg.pinv(gram, rtol=1e-9)
    assert ((found - expected).abs().amax((2, 3)) < 1e-6 * expected.abs().amax((2, 3)).clamp_min(1.0)).all()
