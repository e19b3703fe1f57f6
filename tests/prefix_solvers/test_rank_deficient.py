"""Rank-deficient, near-singular and badly scaled prompts: answers of the pseudo-inverse at the known rank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.rank_deficient import designs, errors
from icl_bench.assembly.plugins import bound
from icl_bench.errors import NoClosedForm
from icl_bench.function_classes.linear import Linear
from icl_bench.laws.covariates.displaced import Displaced
from icl_bench.laws.covariates.subspace import Subspace
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.query.row_wise import RowWise
from icl_bench.laws.sizes import Sizes
from icl_bench.models.estimators.ridge import Ridge
from icl_bench.plugins import loading
from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prefix_solvers import greville
from icl_bench.prefix_solvers.gaussian_posterior import GaussianPosterior, gaussian_posterior, ridge_weights
from icl_bench.prefix_solvers.min_norm import min_norm_fit
from icl_bench.prompts import PromptBatch
from icl_bench.seeding import Streams
from icl_bench.theory.bayes import ridge_maps
from icl_bench.theory.linear_learners import exact_risk

PROMPTS = 10_000


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def prompts_of(x: Tensor, sizes: tuple[int, ...], noise: float = 0.5, seed: int = 5) -> PromptBatch:
    """Linear labels with noise of `noise` times the scale of x; queries in general position."""
    y = (x @ normal(len(x), x.shape[2], 1, seed=seed))[:, :, 0]
    y = y + noise * x.abs().amax() * normal(*y.shape, seed=seed + 1)
    return PromptBatch(x, y, normal(len(x), len(sizes), x.shape[2], seed=seed + 2), sizes, next_example=False)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_every_solver_agrees_with_the_pseudo_inverse_at_the_known_rank(dtype: torch.dtype) -> None:
    """Ranks 1 to d - 1, noise, near-singular, three scales; sizes r - 1, r, r + 1 and 2d; queries outside the span."""
    kinds = [design for design in designs((8, 20)) if design.dtype == dtype]
    kinds = [design for design in kinds if design.n_dims == 8 or design.rank in (2, 19)]
    for design in kinds:
        found = errors(design, -(-PROMPTS // 2 // len(kinds)), seed=1, penalties=(0.25, 1e-13))
        for (penalty, name), (over, error) in found.items():
            assert over < 1.0, f"{design}, penalty {penalty}: {name} is {error:.1e} off"


def subspace_law(rank: int, noise_std: float, sizes: tuple[int, ...]) -> PromptLaw:
    law = PromptLaw(Linear(20), GaussianNoise(noise_std**2), Sizes(sizes))
    return law.add("covariates", Subspace(rank)).add("query", RowWise(Displaced(2.0)))


def old_rule(self: greville._Recursion, x: Tensor, norm: Tensor) -> tuple[Tensor, Tensor]:
    """A direction is new beyond 1e-12 of |x|: what the recursion held before."""
    c = x
    for _ in range(2):
        c = c - (self.basis * (self.basis * c[:, None]).sum(0)[None]).sum(1)
    square = c.square().sum(0)
    fresh = (square > 1e-24 * x.square().sum(0)) & (self.rank < self.n_dims)
    return fresh, torch.where(fresh, c / square.clamp_min(1e-300), 0.0)


def worst_subspace_error(seed: int) -> float:
    """Largest error of least squares over prompts in a subspace of rank 15, beside the SVD at rank 15."""
    sizes = (14, 15, 16, 40)
    worst = 0.0
    for block in range(2):
        prompts = subspace_law(15, 0.5, sizes).draw(Streams(seed, block)).prompts
        found = min_norm_fit(prompts).weights
        for row, size in enumerate(sizes):
            left, s, right = torch.linalg.svd(prompts.context_x[:, :size], full_matrices=False)
            labels = (left.mT @ prompts.context_y[:, :size, None])[:, : min(size, 15)]
            w = (right[:, : min(size, 15)].mT @ (labels / s[:, : min(size, 15), None]))[:, :, 0]
            worst = max(worst, float(((found[:, row] - w).norm(dim=1) / w.norm(dim=1)).max()))
    return worst


def test_rounding_is_not_a_direction() -> None:
    """512 prompts of the subspace scenario, of which a fixed tolerance of 1e-12 gets some wrong."""
    assert worst_subspace_error(seed=3) < 1e-8


def test_the_old_tolerance_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greville._Recursion, "_leaves_span", old_rule)
    monkeypatch.setattr(greville._Recursion, "_judge", lambda self, x, norm: None)
    assert worst_subspace_error(seed=3) > 1e-2


@pytest.mark.parametrize("noise_std", [0.0, 0.5])
@pytest.mark.parametrize("name", ["ols", "bayes", "ridge", "newton_iterations", "gradient_descent"])
def test_exact_risks_stay_between_their_bounds(name: str, noise_std: float) -> None:
    """No risk below 0; of least squares none above what |w| and the smallest singular value allow."""
    law = subspace_law(15, noise_std, (0, 14, 15, 16, 40))
    model = loading.build("models", name, {})
    model = bound(model, law, law)
    for block in range(4):
        streams = Streams(0, block)
        prompts, parameters = law.draw(streams).prompts, law.parameters(streams)
        risk = exact_risk(model, prompts, parameters, law)
        assert float(risk.min()) >= 0.0
        if name in ("ols", "bayes", "ridge"):
            least = torch.stack(
                [torch.linalg.svdvals(prompts.context_x[:, :k])[:, min(k, 15) - 1] for k in (14, 15, 16, 40)], dim=1
            )
            query = float(parameters.query.second[0].trace())
            assert (risk[:, 1:] <= 2.0 * query * (1.0 + 15 * noise_std**2 / least.square())).all()


def direct(prompts: PromptBatch, penalty: float, row: int) -> dict[str, Tensor]:
    """Everything by the SVD of one context of full rank."""
    k = prompts.context_sizes[row]
    x, y, query = prompts.context_x[:, :k], prompts.context_y[:, :k, None], prompts.query_x[:, row, :, None]
    left, s, right = torch.linalg.svd(x, full_matrices=False)
    labels, along = (left.mT @ y)[:, :, 0], (right @ query)[:, :, 0]
    w = (right.mT @ (labels / (s + penalty / s))[:, :, None])[:, :, 0]
    outside = (query[:, :, 0] - (right.mT @ along[:, :, None])[:, :, 0]).square().sum(1)
    beyond = (y - left @ labels[:, :, None]).square().sum((1, 2))
    return {
        "weights": w,
        "leverage": (along.square() / (s.square() + penalty)).sum(1) + outside / penalty * (k < x.shape[2]),
        "fit": (labels.square() / (1.0 + s.square() / penalty)).sum(1) + beyond * (k > x.shape[2]),
        "log_det": torch.log1p(s.square() / penalty).sum(1),
    }


def hold_to_the_svd(prompts: PromptBatch, penalty: float, tolerance: float) -> None:
    found, weights = gaussian_posterior(prompts, penalty), ridge_weights(prompts, penalty)
    for row in range(prompts.n_queries):
        truth = direct(prompts, penalty, row)
        w, query = truth["weights"], prompts.query_x[:, row]
        assert ((weights[:, row] - w).norm(dim=1) <= tolerance * w.norm(dim=1)).all()
        assert ((found.mean[:, row] - (w * query).sum(1)).abs() <= tolerance * w.norm(dim=1) * query.norm(dim=1)).all()
        for name in ("leverage", "fit", "log_det"):
            atol = 1e-12 if name == "log_det" else 0.0
            torch.testing.assert_close(getattr(found, name)[:, row], truth[name], rtol=tolerance, atol=atol)


@pytest.mark.parametrize("penalty", [1e-14, 1e-8, 1e-3, 0.25, 1e4])
@pytest.mark.parametrize("scale", [1e-8, 1e-4, 1.0, 1e2, 3e6, 1e8])
def test_the_posterior_is_that_of_the_svd_at_every_scale(scale: float, penalty: float) -> None:
    hold_to_the_svd(prompts_of(scale * normal(6, 20, 8), (0, 1, 4, 7, 8, 9, 20)), penalty, 1e-10)


@pytest.mark.parametrize("penalty", [1e-8, 0.25])
def test_a_feature_a_million_times_the_others(penalty: float) -> None:
    x = normal(6, 20, 8)
    x[:, :, 3] *= 1e6
    prompts = prompts_of(x, (0, 1, 7, 8, 9, 20), noise=1e-6)
    hold_to_the_svd(prompts, penalty, 1e-8)
    prompts.context_x[:, :, 3] /= 10.0
    rounded = prompts.to("cpu", torch.float32)
    assert torch.equal(min_norm_fit(rounded).rank, min_norm_fit(prompts).rank)
    exact = min_norm_fit(rounded.to("cpu", torch.float64)).weights
    assert ((min_norm_fit(rounded).weights - exact).norm(dim=2) <= 1e-6 * exact.norm(dim=2)).all()


def repeated(x: Tensor) -> Tensor:
    x = x.clone()
    x[:, 3], x[:, 7], x[:, -1] = x[:, 1], -2.0 * x[:, 1], x[:, 0]
    return x


def with_zero_rows(x: Tensor) -> Tensor:
    x = x.clone()
    x[:, [0, 5, 19]] = 0.0
    return x


ODD: dict[str, Callable[[Tensor], Tensor]] = {
    "repeated rows": repeated,
    "zero rows": with_zero_rows,
    "zero prompts": lambda x: 0.0 * x,
    "one zero prompt": lambda x: torch.cat([0.0 * x[:1], x[1:]]),
    "a constant feature": lambda x: torch.cat([torch.ones_like(x[:, :, :1]), x[:, :, 1:]], dim=2),
    "rows of all sizes": lambda x: x * 10.0 ** torch.linspace(-3, 3, x.shape[1], dtype=torch.float64)[:, None],
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("design", ODD)
@pytest.mark.parametrize("penalty", [0.0, 1e-12, 0.25])
def test_odd_prompts_have_the_pseudo_inverse_too(design: str, penalty: float, dtype: torch.dtype) -> None:
    sizes = (0, 1, 4, 7, 8, 9, 20)
    prompts = prompts_of(ODD[design](normal(5, 20, 8)), sizes).to("cpu", dtype)
    maps = ridge_maps(prompts, penalty)
    weights = ridge_weights(prompts, penalty) if penalty else min_norm_fit(prompts).weights
    for row, k in enumerate(sizes):
        x, y = prompts.context_x[:, :k].double().numpy(), prompts.context_y[:, :k].double().numpy()
        b = np.linalg.pinv(x, rcond=1e-8)
        if penalty:  # (X^T X + penalty I)^-1 X^T at the rank of the pseudo-inverse
            b = np.linalg.inv(b @ x + penalty * b @ b.swapaxes(1, 2) + np.eye(8) - b @ x) @ b
        w = torch.from_numpy(np.einsum("pdk,pk->pd", b, y))
        scale = w.norm(dim=1).clamp_min(1e-12)
        assert ((weights[:, row] - w).norm(dim=1) / scale).max() < 1e-6
        torch.testing.assert_close(maps.signal[:, row], torch.from_numpy(b @ x), rtol=0.0, atol=1e-6)
        noise = torch.from_numpy(b @ b.swapaxes(1, 2))
        assert ((maps.noise[:, row] - noise).abs().amax() <= 1e-6 * noise.abs().amax().clamp_min(1e-9)).all()


def hard_prompts(dtype: torch.dtype) -> PromptBatch:
    """Ordinary, in a subspace, near-singular, repeated, badly scaled."""
    x = normal(12, 20, 8)
    basis = torch.linalg.qr(normal(3, 8, 5, seed=9))[0]
    x[3:6] = x[3:6] @ basis @ basis.mT
    x[6:8, 2] = x[6:8, 1] + 1e-11 * x[6:8, 2]
    x[8:10] = repeated(x[8:10])
    x[10, :, 0] *= 1e6
    return prompts_of(x, (0, 3, 5, 6, 8, 9, 20), noise=0.1).to("cpu", dtype)


def all_answers(prompts: PromptBatch) -> list[Tensor]:
    posteriors = [gaussian_posterior(prompts, penalty) for penalty in (1e-10, 1e-3, 1.0)]
    return [
        min_norm_fit(prompts).predict(prompts.query_x),
        Linear(8).posterior(prompts, 0.0).variance,
        *(part for solved in posteriors for part in (solved.mean, solved.leverage)),
        Ridge("evidence").predict(prompts).mean,
    ]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_later_examples_and_company_do_not_move_hard_answers(dtype: torch.dtype) -> None:
    prompts = hard_prompts(dtype)
    together = all_answers(prompts)
    for row in range(prompts.n_prompts):
        for first, alone in zip(together, all_answers(prompts.select(slice(row, row + 1))), strict=True):
            torch.testing.assert_close(first[row : row + 1], alone, rtol=1e-7, atol=1e-10)
    for query, size in enumerate(prompts.context_sizes):
        x, y = prompts.context_x.clone(), prompts.context_y.clone()
        x[:, size:], y[:, size:] = -170.0 * x[:, size:] + 0.3, 1.0
        moved = all_answers(replace(prompts, context_x=x, context_y=y))
        for first, second in zip(together, moved, strict=True):
            torch.testing.assert_close(first[:, query], second[:, query], rtol=1e-6, atol=1e-8)


def spectrum_bounds(maps: LinearMaps) -> tuple[float, float, float]:
    signal, noise = torch.linalg.eigvalsh(maps.signal), torch.linalg.eigvalsh(maps.noise)
    least = noise.amin(-1) / noise.amax(-1).clamp_min(torch.finfo(torch.float64).tiny)
    return float(signal.min()), float(signal.max()), float(least.min())


@pytest.mark.parametrize("penalty", [0.0, 1e-12, 1e-6, 1e-3, 0.25, 10.0])
@pytest.mark.parametrize("n_context", [20, 200])
def test_maps_have_the_spectrum_of_ridge(n_context: int, penalty: float) -> None:
    """0 <= B X <= 1 and B B^T >= 0, beyond one chunk of examples too."""
    x = torch.cat([normal(6, n_context, 8), hard_prompts(torch.float64).context_x.repeat(1, n_context // 20, 1)])
    low, high, least = spectrum_bounds(ridge_maps(prompts_of(x, (0, 3, 8, 9, 20, n_context)), penalty))
    assert low > -1e-9
    assert high < 1.0 + 1e-9
    assert least > -1e-6


def test_what_cannot_be_had_says_so() -> None:
    prompts = prompts_of(normal(2, 6, 3), (0, 3, 6))
    for x in (prompts.context_x * float("nan"), prompts.context_x * float("inf"), 1e160 * prompts.context_x):
        broken = replace(prompts, context_x=x)
        for ask in (
            lambda: min_norm_fit(broken),  # noqa: B023
            lambda: gaussian_posterior(broken, 0.25),  # noqa: B023
            lambda: ridge_weights(broken, 0.25),  # noqa: B023
            lambda: ridge_maps(broken, 0.25),  # noqa: B023
        ):
            with pytest.raises(NoClosedForm, match="not finite"):
                ask()
    with pytest.raises(NoClosedForm, match="too small"):
        gaussian_posterior(prompts, 1e-300)


def test_a_context_of_no_examples_is_the_prior() -> None:
    prompts = PromptBatch(normal(3, 0, 4), normal(3, 0), normal(3, 2, 4), (0, 0), next_example=False)
    found: GaussianPosterior = gaussian_posterior(prompts, 1e-12)
    assert not found.mean.any()
    torch.testing.assert_close(found.leverage, 1e12 * prompts.query_x.square().sum(-1))
    torch.testing.assert_close(Linear(4).posterior(prompts, 0.0).variance, prompts.query_x.square().sum(-1))
    assert not ridge_weights(prompts, 1e-12).any()
    assert not ridge_maps(prompts, 1e-12).signal.any()
