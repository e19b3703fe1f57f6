"""Prompts are what their law says: moments, common random numbers, clusters, next examples, and the posterior."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from scipy import stats
from torch import Tensor

from icl_bench import catalogue
from icl_bench.errors import NoClosedForm
from icl_bench.function_classes.linear import Linear
from icl_bench.laws.canonical import canonical, law_digest
from icl_bench.laws.covariates.displaced import Displaced
from icl_bench.laws.covariates.random_diagonal import RandomDiagonal
from icl_bench.laws.covariates.scaled import Scaled
from icl_bench.laws.covariates.spectrum import Spectrum
from icl_bench.laws.covariates.subspace import Subspace
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.labels.student import StudentNoise
from icl_bench.laws.law import Draw, PromptLaw
from icl_bench.laws.moments import Moments
from icl_bench.laws.query.row_wise import RowWise
from icl_bench.laws.sizes import Sizes
from icl_bench.laws.tasks.scaled import ScaledPrior
from icl_bench.protocols import Scenario
from icl_bench.seeding import BLOCK_SIZE, Streams

BASE = PromptLaw(Linear(4), GaussianNoise(0.25), Sizes((0, 1, 3, 4, 9, 16)))
Z = 4.5


def scenario(name: str, **arguments: object) -> Scenario:
    built: Scenario = catalogue.build("scenarios", name, arguments)
    return built


def shifted_laws() -> Iterator[tuple[str, PromptLaw]]:
    for name in sorted(catalogue.entries("scenarios")):
        for severity in scenario(name).severities:
            yield f"{name}={severity}", scenario(name).shift(BASE, severity)
    joint = scenario("covariate/mean").shift(scenario("covariate/spectrum").shift(BASE, 1.0), 2.0)
    yield "joint", scenario("query/covariance").shift(scenario("task/scale").shift(joint, 2.0), 2.0)


LAWS = dict(shifted_laws())


def z_scores(per_prompt: Tensor) -> Tensor:
    """Mean over prompts, in standard errors; 0 where every prompt has exactly 0: (prompt, ...) -> (...)."""
    error = per_prompt.std(0) / len(per_prompt) ** 0.5
    return per_prompt.mean(0) / error.clamp_min(1e-12)


def draws(law: PromptLaw, n_blocks: int, seed: int = 0) -> list[Draw]:
    return [law.draw(Streams(seed, block)) for block in range(n_blocks)]


@pytest.mark.parametrize("name", LAWS)
def test_samples_have_the_moments_that_the_law_states(name: str) -> None:
    deviations: list[list[Tensor]] = [[], []]
    for draw in draws(replace(LAWS[name], sizes=Sizes((4, 16))), 3):
        sides = (draw.prompts.context_x, draw.parameters.context), (draw.prompts.query_x, draw.parameters.query)
        for side, (x, moments) in enumerate(sides):
            second = x.mT @ x / x.shape[1] - moments.second  # (prompt, dim, dim)
            deviations[side].append(torch.cat([second, (x.mean(1) - moments.mean)[:, :, None]], dim=2))
    for parts in deviations:
        assert z_scores(torch.cat(parts)).abs().max() < Z


@pytest.mark.parametrize("name", LAWS)
def test_labels_have_the_moments_that_the_law_states(name: str) -> None:
    law = replace(LAWS[name], sizes=Sizes((0, 16)))
    powers, noises = [], []
    for draw in draws(law, 3):
        omega = draw.parameters.task_second_moment
        signal = (omega * draw.parameters.query.second).sum((-1, -2))  # (prompt or 1,)
        powers.append(draw.targets.query_f.square().mean(1) - signal)
        noises.append(draw.targets.query_y - draw.targets.query_f)
    assert z_scores(torch.cat(powers)).abs() < Z
    noise = torch.cat(noises).flatten()
    assert noise.numel() == 3 * BLOCK_SIZE * 2
    if law.noise.variance == 0.0:
        assert not noise.any()
    else:
        scale = law.noise.variance**0.5
        standard = stats.norm(scale=scale)
        if isinstance(law.noise, StudentNoise):
            degrees = law.noise.degrees
            standard = stats.t(degrees, scale=scale * ((degrees - 2) / degrees) ** 0.5)
        assert stats.kstest(noise.numpy(), standard.cdf).pvalue > 1e-4


@pytest.mark.parametrize(
    "covariates", [Spectrum(0.5), Spectrum(2.0), Subspace(1), Subspace(3), Spectrum(2.0, Subspace(4))]
)
def test_shifted_covariances_keep_the_trace(covariates: Spectrum | Subspace) -> None:
    covariance = covariates.moments(4, Streams(0, 0)).covariance
    assert torch.allclose(covariance.diagonal(dim1=1, dim2=2).sum(1), torch.tensor(4.0).double())


def test_spectra_are_the_ones_named() -> None:
    skewed = torch.linalg.eigvalsh(Spectrum(2.0).moments(4, Streams(0, 0)).covariance)
    expected = torch.tensor([1 / 16, 1 / 9, 1 / 4, 1.0]).double() * 4 / (1 + 1 / 4 + 1 / 9 + 1 / 16)
    assert torch.allclose(skewed, expected)
    half = torch.linalg.eigvalsh(Subspace(2).moments(4, Streams(0, 0)).covariance)
    assert torch.allclose(half, torch.tensor([0.0, 0.0, 2.0, 2.0]).double(), atol=1e-12)
    diagonals = torch.cat(
        [RandomDiagonal(9.0).moments(4, Streams(0, b)).covariance.diagonal(dim1=1, dim2=2) for b in range(8)]
    )
    assert stats.kstest(diagonals.flatten().numpy(), stats.expon(scale=9.0).cdf).pvalue > 1e-4


def test_rotations_are_haar() -> None:
    """The first column's projection on an axis is uniform on the sphere: its square is Beta(1/2, (d-1)/2)."""
    covariance = torch.cat([Subspace(1).moments(4, Streams(2, block)).covariance for block in range(8)])
    for axis in range(4):
        square = covariance[:, axis, axis] / 4.0
        assert stats.kstest(square.numpy(), stats.beta(0.5, 1.5).cdf).pvalue > 1e-4


@pytest.mark.parametrize("name", sorted(catalogue.entries("scenarios")))
def test_the_identity_severity_is_the_base_law_itself(name: str) -> None:
    severity = scenario(name).identity(BASE)
    if severity is None and name != "base":
        assert all(scenario(name).shift(BASE, other) != BASE for other in scenario(name).severities)
        return
    law = scenario(name).shift(BASE, severity)
    first, second = BASE.draw(Streams(1, 2)), law.draw(Streams(1, 2))
    assert law == BASE
    assert first.prompts.same_values(second.prompts)
    assert torch.equal(first.targets.query_y, second.targets.query_y)
    assert first.digest == second.digest


def test_severities_share_their_base_draws() -> None:
    base = BASE.draw(Streams(5, 1))
    scaled = scenario("covariate/scale").shift(BASE, 3.0).draw(Streams(5, 1))
    assert torch.equal(scaled.prompts.context_x, 3.0 * base.prompts.context_x)
    moved = scenario("query/mean").shift(BASE, 2.0).draw(Streams(5, 1))
    assert torch.equal(moved.prompts.context_x, base.prompts.context_x)
    assert torch.equal(moved.prompts.context_y, base.prompts.context_y)
    assert torch.equal(moved.prompts.query_x, base.prompts.query_x + 1.0)  # 2 (1, ..., 1)/sqrt(4)
    tripled = scenario("task/scale").shift(BASE, 3.0).draw(Streams(5, 1))
    assert torch.allclose(tripled.targets.query_f, 3.0 * base.targets.query_f)
    noise = base.targets.query_y - base.targets.query_f
    assert torch.allclose(tripled.targets.query_y - tripled.targets.query_f, noise)


def test_noise_levels_and_shapes_share_their_noise() -> None:
    base = BASE.draw(Streams(5, 1))
    noise = base.targets.query_y - base.targets.query_f
    silent = scenario("noise/variance").shift(BASE, 0.0).draw(Streams(5, 1))
    assert torch.equal(silent.prompts.context_x, base.prompts.context_x)
    assert torch.equal(silent.targets.query_f, base.targets.query_f)
    loud = scenario("noise/variance").shift(BASE, 4.0).draw(Streams(5, 1))
    assert torch.allclose(loud.targets.query_y - loud.targets.query_f, 4.0 * noise)  # sd 2 against 1/2
    for degrees in (3.0, 1e7):
        heavy = scenario("noise/heavy_tail").shift(BASE, degrees).draw(Streams(5, 1))
        other = heavy.targets.query_y - heavy.targets.query_f
        assert torch.equal(other.sign(), noise.sign())
    assert torch.allclose(other, noise, rtol=5e-3)  # 1e7 degrees of freedom are almost Gaussian


def groups(moments: Moments) -> int:
    """How many distinct runs of consecutive prompts share a covariance."""
    covariance = moments.covariance
    return 1 + int((covariance[1:] != covariance[:-1]).flatten(1).any(1).sum())


@pytest.mark.parametrize(
    "name", ["covariate/spectrum", "covariate/subspace", "covariate/random_diagonal", "query/covariance"]
)
@pytest.mark.parametrize("shared", [1, 64, 256])
def test_random_covariances_are_redrawn_as_often_as_asked(name: str, shared: int) -> None:
    built = scenario(name, prompts_per_draw=shared)
    law = built.shift(BASE, {"covariate/subspace": 0.5}.get(name, 4.0))
    assert law.prompts_per_draw == shared
    parameters = law.parameters(Streams(0, 0))
    moments = parameters.query if name.startswith("query") else parameters.context
    assert moments.covariance.shape[0] == BLOCK_SIZE
    assert groups(moments) == BLOCK_SIZE // shared
    with pytest.raises(ValueError, match="divisor of 256"):
        scenario(name, prompts_per_draw=3).shift(BASE, 0.5)


def test_a_fixed_rotation_is_one_for_the_whole_seed() -> None:
    law = scenario("covariate/spectrum", fixed_rotation=True).shift(BASE, 2.0)
    assert law.prompts_per_draw is None

    def covariance(seed: int, block: int) -> Tensor:
        found = law.parameters(Streams(seed, block)).context.covariance
        assert len(found) == 1
        return found

    assert torch.equal(covariance(0, 0), covariance(0, 5))
    assert not torch.allclose(covariance(0, 0), covariance(1, 0))


def close(first: Tensor, second: Tensor) -> None:
    """Equal but for the last bits of a matrix product, which depend on how many rows it has."""
    torch.testing.assert_close(first, second, rtol=0.0, atol=1e-13)


@pytest.mark.parametrize("name", ["base=None", "covariate/spectrum=2.0", "covariate/mean=2.0", "noise/variance=4.0"])
def test_a_query_that_is_the_next_example_really_is(name: str) -> None:
    law = LAWS[name]
    draw = law.draw(Streams(0, 3))
    longer = replace(law, sizes=Sizes((40,))).draw(Streams(0, 3))
    assert draw.prompts.next_example
    for query, size in enumerate(draw.prompts.context_sizes):
        if size < draw.prompts.n_context:
            assert torch.equal(draw.prompts.query_x[:, query], draw.prompts.context_x[:, size])
            assert torch.equal(draw.targets.query_y[:, query], draw.prompts.context_y[:, size])
        close(draw.prompts.query_x[:, query], longer.prompts.context_x[:, size])
        close(draw.targets.query_y[:, query], longer.prompts.context_y[:, size])
    close(draw.prompts.context_x, longer.prompts.context_x[:, : draw.prompts.n_context])
    close(draw.prompts.context_y, longer.prompts.context_y[:, : draw.prompts.n_context])


def test_shifted_queries_are_not_called_next_examples() -> None:
    for name in ("query/scale", "query/mean", "query/covariance"):
        assert not scenario(name).shift(BASE, 2.0).draw(Streams(0, 0)).prompts.next_example


def test_further_queries_leave_the_first_as_it_was() -> None:
    one = BASE.draw(Streams(0, 0))
    three = replace(BASE, sizes=replace(BASE.sizes, queries_per_context=3)).draw(Streams(0, 0))
    assert not three.prompts.next_example
    assert three.prompts.context_sizes == tuple(size for size in BASE.sizes.context_sizes for _ in range(3))
    assert torch.equal(three.prompts.query_x[:, ::3], one.prompts.query_x)
    assert torch.equal(three.targets.query_y[:, ::3], one.targets.query_y)
    further = torch.cat([three.prompts.query_x[:, 1::3], three.prompts.query_x[:, 2::3]], dim=1)  # (prompt, 12, dim)
    assert len(torch.unique(further.reshape(-1, 4), dim=0)) == further.shape[0] * further.shape[1]
    assert z_scores(further.square().sum(-1).mean(1) - 4.0).abs() < Z


@pytest.mark.parametrize("sizes", [(), (3, 1), (1, 1), (-1, 2)])
def test_senseless_sizes_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="context sizes"):
        Sizes(sizes)


def test_a_law_keeps_its_digest_between_releases() -> None:
    law = PromptLaw(Linear(4), GaussianNoise(0.25), Sizes((0, 4)))
    assert law_digest(law) == "4012c75736ba7370dd812e7fb3afe580"


CHANGES: list[Callable[[PromptLaw], PromptLaw]] = [
    lambda law: replace(law, prior=Linear(5)),
    lambda law: replace(law, prior=Linear(4, tau=2.0)),
    lambda law: replace(law, prior=ScaledPrior(2.0, law.prior)),
    lambda law: replace(law, noise=GaussianNoise(0.3)),
    lambda law: replace(law, noise=StudentNoise(0.25, 5.0)),
    lambda law: replace(law, sizes=Sizes((0, 5))),
    lambda law: law.add("query", RowWise(Scaled(2.0))),
    lambda law: law.add("covariates", Scaled(2.0)),
    lambda law: law.add("covariates", Displaced(1.0)).add("covariates", Scaled(2.0)),
    lambda law: law.add("covariates", Scaled(2.0)).add("covariates", Displaced(1.0)),
]


def test_every_part_of_a_law_is_in_its_digest() -> None:
    laws = [BASE, *(change(BASE) for change in CHANGES)]
    assert len({law_digest(law) for law in laws}) == len(laws)
    with pytest.raises(TypeError, match="canonical"):
        canonical({1, 2})


@pytest.mark.parametrize("name", [name for name in LAWS if not name.startswith("noise/heavy_tail")])
def test_the_posterior_is_the_best_answer_and_knows_its_error(name: str) -> None:
    """E (bayes - f)^2 = E variance, and any other answer is further from f by E (answer - bayes)^2."""
    law = LAWS[name]
    calibration, orthogonality = [], []
    for draw in draws(law, 6, seed=1):
        posterior = law.bayes(draw.prompts)
        other = catalogue.build("models", "averaging", {}).predict(draw.prompts).mean
        error = (posterior.mean - draw.targets.query_f).square()
        calibration.append(error - posterior.variance)
        further = (other - draw.targets.query_f).square() - (other - posterior.mean).square()
        orthogonality.append(further - posterior.variance)
    for per_query in (calibration, orthogonality):
        per_prompt = torch.cat(per_query)  # (prompt, query)
        exact = per_prompt.abs().amax(0) < 1e-8
        assert (z_scores(per_prompt).abs() * ~exact).max() < Z


def test_no_posterior_is_invented_for_heavy_tails() -> None:
    law = replace(BASE, noise=StudentNoise(0.25, 3.0))
    with pytest.raises(NoClosedForm):
        law.bayes(BASE.draw(Streams(0, 0)).prompts)
