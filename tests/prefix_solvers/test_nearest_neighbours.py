"""Nearest neighbours are the nearest: against a slow reference and scikit-learn, at any scale, offset and tie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsRegressor
from torch import Tensor

from icl_bench.contracts.models import model_violations
from icl_bench.errors import PluginError
from icl_bench.models.estimators.knn import Knn
from icl_bench.plugins import loading
from icl_bench.prefix_solvers import nearest_neighbours
from icl_bench.prompts import PromptBatch


def slow_means(prompts: PromptBatch, k: int) -> np.ndarray:
    """Each query apart: squared differences added up in order, the k smallest, the earlier of two alike."""
    x, y = prompts.context_x.double().numpy(), prompts.context_y.double().numpy()
    queries = prompts.query_x.double().numpy()
    means = np.zeros(queries.shape[:2])
    for prompt in range(prompts.n_prompts):
        for query, size in enumerate(prompts.context_sizes):
            distance = np.zeros(size)
            with np.errstate(over="ignore"):
                for column in range(prompts.n_dims):
                    distance = distance + (x[prompt, :size, column] - queries[prompt, query, column]) ** 2
            nearest = np.argsort(distance, kind="stable")[:k]
            means[prompt, query] = y[prompt, nearest].mean() if size else 0.0
    return means


def prompts_of(
    seed: int, n_dims: int, n_context: int, sizes: tuple[int, ...] | None = None, n_prompts: int = 3
) -> PromptBatch:
    generator = torch.Generator().manual_seed(seed)
    sizes = tuple(range(n_context + 1)) if sizes is None else sizes

    def normal(*shape: int) -> Tensor:
        return torch.randn(n_prompts, *shape, dtype=torch.float64, generator=generator)

    return PromptBatch(normal(n_context, n_dims), normal(n_context), normal(len(sizes), n_dims), sizes, False)


def moved(prompts: PromptBatch, change: object) -> PromptBatch:
    """The prompts with all covariates changed alike."""
    assert callable(change)
    return replace(prompts, context_x=change(prompts.context_x), query_x=change(prompts.query_x))


def check(prompts: PromptBatch, k: int) -> None:
    got = Knn(k).predict(prompts).mean
    assert got.dtype == torch.float64
    np.testing.assert_allclose(got.numpy(), slow_means(prompts, k), rtol=1e-13, atol=1e-13)


SIZES = st.lists(st.integers(0, 17), min_size=1, max_size=6).map(tuple)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 999),
    n_dims=st.integers(1, 6),
    sizes=SIZES,
    k=st.integers(1, 20),
    scale=st.sampled_from([1e-160, 1e-8, 1.0, 1e8, 1e170]),
    offset=st.sampled_from([0.0, 1.0, -1e6, 1e12]),
    grid=st.sampled_from([None, 1.0, 3.0]),
    group_bytes=st.sampled_from([1, 2000, 1_000_000]),
)
def test_the_nearest_are_found_whatever_the_covariates(
    seed: int,
    n_dims: int,
    sizes: tuple[int, ...],
    k: int,
    scale: float,
    offset: float,
    grid: float | None,
    group_bytes: int,
) -> None:
    """Duplicates and ties (a coarse grid), squares that overflow or vanish, offsets that swallow most digits."""
    prompts = prompts_of(seed, n_dims, 17, sizes)
    if grid is not None:
        prompts = moved(prompts, lambda x: (x / grid).round())
    prompts = moved(prompts, lambda x: (x + offset) * scale)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest_neighbours, "GROUP_BYTES", group_bytes)
        check(prompts, k)


@pytest.mark.parametrize("k", [1, 3, 33, 100])
def test_scikit_learn_agrees_at_every_size(k: int) -> None:
    prompts = prompts_of(0, 5, 40)
    got = Knn(k).predict(prompts).mean.numpy()
    assert (got[:, 0] == 0.0).all()
    x, y, queries = prompts.context_x.numpy(), prompts.context_y.numpy(), prompts.query_x.numpy()
    for prompt in range(prompts.n_prompts):
        for size in range(1, 41):
            fitted = KNeighborsRegressor(min(k, size)).fit(x[prompt, :size], y[prompt, :size])
            expected = fitted.predict(queries[prompt, size : size + 1])[0]
            assert got[prompt, size] == pytest.approx(expected, abs=1e-12)


def test_of_examples_equally_far_the_earlier_counts() -> None:
    x = torch.tensor([1.0, -1.0, 1.0, -1.0, 0.5], dtype=torch.float64)[None, :, None]
    y = torch.tensor([[1.0, 10.0, 100.0, 1000.0, 10000.0]], dtype=torch.float64)
    prompts = PromptBatch(x, y, torch.zeros(1, 4, 1, dtype=torch.float64), (2, 4, 5, 3), False)
    assert Knn(1).predict(prompts).mean.tolist() == [[1.0, 1.0, 10000.0, 1.0]]
    assert Knn(2).predict(prompts).mean.tolist() == [[5.5, 5.5, 5000.5, 5.5]]


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("later", [False, True])
def test_a_hair_nearer_is_nearer(offset: float, later: bool) -> None:
    """Covariates that are neighbouring numbers, the finest that there is."""
    near, far = offset + 1.0, float(np.nextafter(offset + 1.0, np.inf))
    pair, labels = ([far, near], [2.0, 1.0]) if later else ([near, far], [1.0, 2.0])
    x = torch.tensor([offset + 3.0, *pair, offset - 5.0], dtype=torch.float64)[None, :, None]
    y = torch.tensor([[7.0, *labels, 9.0]], dtype=torch.float64)
    prompts = PromptBatch(x, y, torch.full((1, 2, 1), offset, dtype=torch.float64), (3, 4), False)
    assert Knn(1).predict(prompts).mean.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_an_offset_that_all_share_leaves_products_sure(monkeypatch: pytest.MonkeyPatch, offset: float) -> None:
    """The slow way is for what rounding could decide: not for covariates far from zero."""
    monkeypatch.setattr(nearest_neighbours, "_by_differences", None)
    check(moved(prompts_of(10, 8, 17, n_prompts=40), lambda x: x + offset), 3)


@pytest.mark.parametrize("apart", [1e5, 1e6, 1e7, 1e8, 1e9])
def test_a_far_first_example_does_not_blur_the_others(apart: float) -> None:
    """Distances are taken about the first example: put it where the others are not."""
    prompts = prompts_of(3, 8, 17, n_prompts=40)
    prompts.context_x[:, 0] += apart
    check(prompts, 3)


@pytest.mark.parametrize("scale", [1e-162, 1e-161, 1e-160, 1e-158])
def test_squares_that_nearly_vanish_are_compared_in_the_last_digits_left(scale: float) -> None:
    check(moved(prompts_of(9, 8, 17, n_prompts=40), lambda x: x * scale), 3)


def test_a_query_at_an_example_is_answered_by_its_label() -> None:
    prompts = prompts_of(4, 20, 12, (12,) * 12)
    prompts = replace(moved(prompts, lambda x: x + 1e6), query_x=prompts.context_x + 1e6)
    assert torch.equal(Knn(1).predict(prompts).mean, prompts.context_y)


def test_float32_prompts_are_answered_in_float64() -> None:
    prompts = moved(prompts_of(5, 3, 12), lambda x: x + 1e3).to("cpu", torch.float32)
    check(prompts, 3)


@pytest.mark.parametrize("grid", [None, 1.0])
@pytest.mark.parametrize("k", [1, 3, 50])
def test_answers_are_the_same_to_the_bit_however_prompts_and_queries_are_batched(k: int, grid: float | None) -> None:
    prompts = prompts_of(6, 3, 60, n_prompts=40)
    if grid is not None:
        prompts = moved(prompts, lambda x: (x / grid).round())
    whole = Knn(k).predict(prompts).mean
    for group in (1, 7, 39):
        parts = [prompts.select(slice(start, start + group)) for start in range(0, 40, group)]
        assert torch.equal(torch.cat([Knn(k).predict(part).mean for part in parts]), whole)
    ones = [
        replace(prompts, query_x=prompts.query_x[:, [query]], context_sizes=(size,))
        for query, size in enumerate(prompts.context_sizes)
    ]
    assert torch.equal(torch.cat([Knn(k).predict(one).mean for one in ones], dim=1), whole)


@pytest.mark.parametrize("grid", [None, 1.0])
@pytest.mark.parametrize("k", [1, 2, 9])
def test_contracts_hold_with_ties_and_for_any_k(k: int, grid: float | None) -> None:
    prompts = prompts_of(7, 3, 9, tuple(range(9)), n_prompts=5)
    if grid is not None:
        prompts = moved(prompts, lambda x: (x / grid).round())
    one_pass = replace(prompts, query_x=prompts.context_x.clone(), next_example=True)
    assert list(model_violations(Knn(k), prompts)) == []
    assert list(model_violations(Knn(k), one_pass)) == []


def test_no_prompts_no_examples() -> None:
    assert Knn().predict(prompts_of(8, 3, 5, n_prompts=0)).mean.shape == (0, 6)
    assert Knn().predict(prompts_of(8, 3, 0, (0, 0))).mean.tolist() == [[0.0, 0.0]] * 3


def test_no_neighbour_is_refused() -> None:
    with pytest.raises(PluginError, match="k: expected at least 1"):
        loading.build("models", "knn", {"k": 0})
