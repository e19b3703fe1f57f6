"""Prompts are what their law says: moments, common random numbers, clusters, next examples, and the posterior."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
import torch
from scipy import stats
from torch import Tensor

from icl_bench.errors import NoClosedForm
from icl_bench.function_classes.linear import Linear
from icl_bench.laws.canonical import canonical, law_digest
from icl_bench.laws.covariates.displaced import Displaced
from icl_bench.laws.covariates.heavy_tail import HeavyTail
from icl_bench.laws.covariates.linear_map import LinearMap
from icl_bench.laws.covariates.random_diagonal import RandomDiagonal
from icl_bench.laws.covariates.scaled import Scaled
from icl_bench.laws.covariates.spectrum import Spectrum
from icl_bench.laws.covariates.subspace import Subspace
from icl_bench.laws.dials import FINITE, FRACTION, NOT_NEGATIVE, POSITIVE, Range
from icl_bench.laws.draws import Draws
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.labels.student import StudentNoise
from icl_bench.laws.law import Draw, PromptLaw
from icl_bench.laws.moments import Moments, standard_moments
from icl_bench.laws.parts import NoisePart, Placed
from icl_bench.laws.query.row_wise import RowWise
from icl_bench.laws.sizes import PromptRows, Sizes
from icl_bench.laws.tasks.scaled import ScaledPrior
from icl_bench.seeding import BLOCK_SIZE, TRAINING_SEEDS, TUNING_SEEDS, Streams
from tests.catalogue_laws import Shift, scenario, shifted, usual_laws

BASE = PromptLaw(Linear(4), GaussianNoise(0.25), Sizes((0, 1, 3, 4, 9, 16)))
Z = 4.5


def laws() -> Iterator[tuple[str, PromptLaw]]:
    """Every scenario at every usual severity on the law that carries it, and a product of four."""
    yield from usual_laws(4, BASE.sizes.context_sizes)
    shifts = Shift("covariate/spectrum", 1.0), Shift("covariate/mean", 2.0), Shift("task/scale", 2.0)
    yield "joint", shifted(BASE, *shifts, Shift("query/covariance", 2.0))


LAWS = dict(laws())
WITH_F = [name for name, law in LAWS.items() if law.rows is None]


def z_scores(per_prompt: Tensor) -> Tensor:
    """Mean over prompts, in standard errors; 0 where every prompt has exactly 0: (prompt, ...) -> (...)."""
    error = per_prompt.std(0) / len(per_prompt) ** 0.5
    return per_prompt.mean(0) / error.clamp_min(1e-12)


def draws(law: PromptLaw, n_blocks: int, seed: int = 0) -> list[Draw]:
    return [law.draw(Streams(seed, block)) for block in range(n_blocks)]


@pytest.mark.parametrize("name", WITH_F)
def test_samples_have_the_moments_that_the_law_states(name: str) -> None:
    """Of what is drawn, before it is observed; where a part declares none there is nothing to hold."""
    law = replace(LAWS[name], observe=(), sizes=Sizes((4, 16)))
    deviations: list[list[Tensor]] = [[], []]
    for draw in draws(law, 3):
        sides = (draw.prompts.context_x, draw.parameters.context), (draw.prompts.query_x, draw.parameters.query)
        for side, (x, moments) in enumerate(sides):
            if moments is not None:
                second = x.mT @ x / x.shape[1] - moments.second  # (prompt, dim, dim)
                deviations[side].append(torch.cat([second, (x.mean(1) - moments.mean)[:, :, None]], dim=2))
    for parts in deviations:
        assert not parts or z_scores(torch.cat(parts)).abs().max() < Z


@pytest.mark.parametrize("name", WITH_F)
def test_signals_have_the_power_that_the_kernel_states(name: str) -> None:
    """E f f' = k(x, x') at every two examples given x, by position: E [f f' w(x)] for any w; here w = 1 / (1 + k^2)."""
    law = replace(LAWS[name], observe=(), noise=GaussianNoise(0.0), labels=(), sizes=Sizes((0, 12)))
    positions, deviations = torch.arange(12), []
    for draw in draws(law, 4):
        x, f = draw.prompts.context_x, draw.prompts.context_y  # without noise labels are f
        kernel = law.prior.kernel(x, positions, x, positions)
        if kernel is None:
            assert draw.parameters.task_second_moment is None
            return
        deviations.append((f[:, :, None] * f[:, None] - kernel) / (1.0 + kernel.square()))
        omega = draw.parameters.task_second_moment
        if omega is not None:
            torch.testing.assert_close(kernel, x @ omega @ x.mT)
    assert z_scores(torch.cat(deviations)).abs().max() < Z


@pytest.mark.parametrize("name", WITH_F)
def test_noise_has_the_law_that_is_stated(name: str) -> None:
    law = replace(LAWS[name], sizes=Sizes((0, 16)))
    noises = []
    for draw in draws(law, 3):
        scale = law.label_scale(draw.prompts.query_x) if all(_has_factor(p) for p in law.labels) else None
        if law.labels and scale is None:
            return  # flipped labels: held to their rate below
        noise = draw.targets.query_y - draw.targets.query_f
        noises.append(noise if scale is None else noise / scale)
    noise = torch.cat(noises).flatten()
    assert noise.numel() == 3 * BLOCK_SIZE * 2
    if law.noise.variance == 0.0:
        assert not noise.any()
        return
    deviation = law.noise.variance**0.5
    standard = stats.norm(scale=deviation)
    if isinstance(law.noise, StudentNoise):
        degrees = law.noise.degrees
        standard = stats.t(degrees, scale=deviation * ((degrees - 2) / degrees) ** 0.5)
    assert stats.kstest(noise.numpy(), standard.cdf).pvalue > 1e-4


def _has_factor(placed: Placed) -> bool:
    return placed.part.factor(torch.zeros(1, 1, 4, dtype=torch.float64)) is not None


@pytest.mark.parametrize("rate", [0.1, 0.5, 1.0])
def test_labels_flip_as_often_as_asked_a_query_like_an_example(rate: float) -> None:
    law = shifted(BASE, Shift("noise/label_flip", rate))
    base, flipped = draws(BASE, 4), draws(law, 4)
    context = torch.cat([a.prompts.context_y != b.prompts.context_y for a, b in zip(base, flipped, strict=True)])
    query = torch.cat([a.targets.query_y != b.targets.query_y for a, b in zip(base, flipped, strict=True)])
    for changed in (context, query):
        count = changed.numel()
        assert abs(float(changed.double().mean()) - rate) <= 4.5 * (rate * (1.0 - rate) / count) ** 0.5
    assert torch.equal(base[0].targets.query_f, flipped[0].targets.query_f)
    assert torch.equal(base[0].prompts.context_y.abs(), flipped[0].prompts.context_y.abs())


def prompt_draws(seed: int = 0, block: int = 0) -> Draws:
    """The draws of a part that stands alone in a law."""
    return Draws(Streams(seed, block), PromptRows.of(BASE.sizes, forked=False), "alone")


def covariance(part: LinearMap, seed: int = 0, block: int = 0) -> Tensor:
    """The covariance that a map makes of the identity, (prompt, dim, dim)."""
    moments = part.moments(standard_moments(4), prompt_draws(seed, block))
    return moments.covariance


@pytest.mark.parametrize("part", [Spectrum(0.5), Spectrum(2.0), Subspace(1), Subspace(3), Spectrum(2.0, None)])
def test_shifted_covariances_keep_the_trace(part: Spectrum | Subspace) -> None:
    assert torch.allclose(covariance(part).diagonal(dim1=1, dim2=2).sum(1), torch.tensor(4.0).double())


def test_spectra_are_the_ones_named() -> None:
    skewed = torch.linalg.eigvalsh(covariance(Spectrum(2.0)))
    expected = torch.tensor([1 / 16, 1 / 9, 1 / 4, 1.0]).double() * 4 / (1 + 1 / 4 + 1 / 9 + 1 / 16)
    assert torch.allclose(skewed, expected)
    half = torch.linalg.eigvalsh(covariance(Subspace(2)))
    assert torch.allclose(half, torch.tensor([0.0, 0.0, 2.0, 2.0]).double(), atol=1e-12)
    diagonals = torch.cat([covariance(RandomDiagonal(9.0), 0, b).diagonal(dim1=1, dim2=2) for b in range(8)])
    assert stats.kstest(diagonals.flatten().numpy(), stats.expon(scale=9.0).cdf).pvalue > 1e-4


def test_multivariate_t_has_one_scale_a_row_and_unit_covariance() -> None:
    """|x|^2 (nu - 2)/nu... of one row: x = z sqrt((nu - 2)/chi2), so |x|^2/d * nu/(nu - 2) is F(d, nu)."""
    law = replace(BASE.add("covariates", HeavyTail(5.0)), sizes=Sizes((8,)))
    x = torch.cat([draw.prompts.context_x for draw in draws(law, 2)]).reshape(-1, 4)
    ratio = x.square().mean(-1) * 5.0 / 3.0
    assert stats.kstest(ratio.numpy(), stats.f(4, 5).cdf).pvalue > 1e-4


def test_contexts_lie_in_one_orthant_and_queries_anywhere_or_opposite() -> None:
    for query, share in (("any", 0.5), ("opposite", 0.0)):
        law = shifted(BASE, Shift("covariate/orthant", 0.5, {"query": query}))
        draw = law.draw(Streams(0, 0))
        signs = draw.prompts.context_x[:, 0, :2].sign()  # round(d/2) = 2 coordinates
        assert bool((draw.prompts.context_x[..., :2].sign() == signs[:, None]).all())
        assert len(torch.unique(draw.prompts.context_x[:, :, 2].sign())) == 2
        agree = (draw.prompts.query_x[..., :2].sign() == signs[:, None]).double().mean()
        assert abs(float(agree) - share) < 0.05
        base = BASE.draw(Streams(0, 0))
        assert torch.equal(draw.prompts.context_x.abs(), base.prompts.context_x.abs())
        assert torch.equal(draw.prompts.query_x.abs(), base.prompts.query_x.abs())


def test_queries_turn_towards_the_complement_of_their_context_and_keep_their_norm() -> None:
    base = BASE.draw(Streams(0, 0)).prompts
    for turn in (0.5, 1.0):
        law = shifted(BASE, Shift("query/orthogonal", turn))
        assert law.sizes.context_sizes == (0, 1, 3)
        assert [size for size, _ in law.sizes.skipped] == [4, 9, 16]
        prompts = law.draw(Streams(0, 0)).prompts
        torch.testing.assert_close(prompts.query_x.norm(dim=-1), base.query_x[:, :3].norm(dim=-1))
        assert torch.equal(prompts.query_x[:, 0], base.query_x[:, 0])
        for at, size in ((1, 1), (2, 3)):
            basis = torch.linalg.svd(prompts.context_x[:, :size], full_matrices=False)[2]  # (prompt, size, dim)
            inside, before = ((basis @ x[:, at, :, None])[..., 0].norm(dim=1) for x in (prompts.query_x, base.query_x))
            angle = torch.arcsin((before / base.query_x[:, at].norm(dim=1)).clamp(max=1.0))
            expected = torch.sin((1.0 - turn) * angle) * base.query_x[:, at].norm(dim=1)
            torch.testing.assert_close(inside, expected, rtol=1e-7, atol=1e-9)
    zero = shifted(BASE, Shift("query/orthogonal", 1.0, {"full_rank": "zero"})).draw(Streams(0, 0)).prompts
    assert not zero.query_x[:, 3:].any()


def test_seen_queries_repeat_an_example_of_their_own_context() -> None:
    law = shifted(BASE, Shift("query/seen", 1.0))
    assert law.sizes.context_sizes == (1, 3, 4, 9, 16)
    prompts = law.draw(Streams(0, 0)).prompts
    equal = (prompts.query_x[:, :, None] == prompts.context_x[:, None]).all(-1)  # (prompt, query, context)
    assert bool((equal.sum(-1) == 1).all())
    chosen = equal.double().argmax(-1)
    for at, size in enumerate(law.sizes.context_sizes):
        counts = torch.bincount(chosen[:, at], minlength=16)
        assert not counts[size:].any()
        assert stats.chisquare(counts[:size].numpy()).pvalue > 1e-4 if size > 1 else int(counts[0]) == BLOCK_SIZE


def test_another_function_holds_from_the_change_on() -> None:
    law = shifted(BASE, Shift("task/change_point", 0.5))  # from position 8 on
    law = replace(law, noise=GaussianNoise(0.0))
    base, draw = replace(BASE, noise=GaussianNoise(0.0)).draw(Streams(0, 0)), law.draw(Streams(0, 0))
    assert torch.equal(draw.prompts.context_y[:, :8], base.prompts.context_y[:, :8])
    x, y = draw.prompts.context_x[:, 8:], draw.prompts.context_y[:, 8:]
    after = torch.linalg.lstsq(x, y[..., None]).solution[..., 0]  # 8 examples of 4 dimensions: exact
    at = [draw.prompts.context_sizes.index(size) for size in (9, 16)]
    expected = (draw.prompts.query_x[:, at] * after[:, None]).sum(-1)
    torch.testing.assert_close(draw.targets.query_f[:, at], expected, rtol=1e-6, atol=1e-8)
    assert not torch.allclose(draw.prompts.context_y[:, 8:], base.prompts.context_y[:, 8:])


def test_rotations_are_haar() -> None:
    """The first column's projection on an axis is uniform on the sphere: its square is Beta(1/2, (d-1)/2)."""
    found = torch.cat([covariance(Subspace(1), 2, block) for block in range(8)])
    for axis in range(4):
        square = found[:, axis, axis] / 4.0
        assert stats.kstest(square.numpy(), stats.beta(0.5, 1.5).cdf).pvalue > 1e-4


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
    law = scenario(name, prompts_per_draw=shared).shift(BASE, {"covariate/subspace": 0.5}.get(name, 4.0))
    draw = law.draw(Streams(0, 0))
    assert draw.cluster_size == shared
    moments = draw.parameters.query if name.startswith("query") else draw.parameters.context
    assert moments is not None
    assert moments.covariance.shape[0] == BLOCK_SIZE
    assert groups(moments) == BLOCK_SIZE // shared
    with pytest.raises(ValueError, match="divisor of 256"):
        scenario(name, prompts_per_draw=3).shift(BASE, 0.5)


def test_prompts_that_share_nothing_are_clusters_of_one_and_products_take_the_largest() -> None:
    assert BASE.draw(Streams(0, 0)).cluster_size == 1
    law = scenario("covariate/spectrum", prompts_per_draw=16).shift(BASE, 1.0)
    law = scenario("query/covariance", prompts_per_draw=64).shift(law, 1.0)
    assert law.draw(Streams(0, 0)).cluster_size == 64
    fixed = scenario("covariate/spectrum", fixed_rotation=True).shift(BASE, 1.0)
    assert fixed.draw(Streams(0, 0)).cluster_size == 1  # of the law itself: given


SEEDS = (0, 1, 7, TUNING_SEEDS, TUNING_SEEDS + 3, TRAINING_SEEDS, TRAINING_SEEDS + 5)


@pytest.mark.parametrize(("name", "severity"), [("covariate/spectrum", 2.0), ("covariate/subspace", 0.5)])
def test_a_fixed_rotation_is_the_laws_own(name: str, severity: float) -> None:
    """In every test seed, in tuning and in training, in closed forms that never draw a prompt; another by number."""

    def moments(seed: int, **arguments: object) -> Moments:
        law = scenario(name, fixed_rotation=True, **arguments).shift(BASE, severity)
        draw = law.draw(Streams(seed, 3))
        context = draw.parameters.context
        assert context is not None
        assert context.fixed
        assert torch.equal(context.covariance, law.training_moments()[0].covariance)
        return context

    first = moments(0)
    for seed in SEEDS:
        assert torch.equal(moments(seed).covariance, first.covariance)
        assert not torch.allclose(moments(seed, law_number=1).covariance, first.covariance)


def test_two_fixed_rotations_in_one_law_are_not_one() -> None:
    shifts = [Shift("covariate/spectrum", 2.0, {"fixed_rotation": True})]
    shifts.append(Shift("covariate/subspace", 0.5, {"fixed_rotation": True}))
    both = shifted(BASE, *shifts).draw(Streams(0, 0))
    assert {"law 0/covariate/spectrum/rotation", "law 0/covariate/subspace/rotation"} <= both.streams
    spectrum, subspace = (shifted(BASE, shift).draw(Streams(0, 0)).parameters.context for shift in shifts)
    assert spectrum is not None
    assert subspace is not None
    product = spectrum.covariance @ subspace.covariance
    assert not torch.allclose(product, product.mT)  # of one rotation they would commute


def test_random_diagonals_of_a_product_are_independent() -> None:
    """E l l' = 1; of one stream it would be E l^2 = 2."""
    law = shifted(BASE, Shift("covariate/random_diagonal", 1.0), Shift("covariate/random_diagonal", 1.0))
    found = [law.parameters(Streams(seed, 0)).context for seed in range(16)]
    diagonals = torch.cat([one.covariance.diagonal(dim1=1, dim2=2) for one in found if one is not None])
    assert abs(float((diagonals.mean(1) - 1.0).mean())) < Z * float(diagonals.mean(1).std()) / len(diagonals) ** 0.5
    assert float(diagonals.mean()) < 1.5


def test_a_part_may_hold_what_it_declares_as_a_field() -> None:
    """With slots or without; a field without a default has none, though its base declares something."""

    @dataclass(frozen=True)
    class Plain(NoisePart):
        variance: float
        gaussian: bool

    @dataclass(frozen=True, slots=True)
    class Slotted(NoisePart):
        variance: float
        tail: float = 3.0

    assert (Plain(2.0, True).variance, Plain(2.0, True).gaussian, Plain(2.0, True).tail) == (2.0, True, None)
    assert (Slotted(2.0).variance, Slotted(2.0).gaussian, Slotted(2.0).tail) == (2.0, False, 3.0)
    with pytest.raises(TypeError, match="variance"):
        Slotted()  # type: ignore[call-arg]


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
    assert law_digest(law) == "192ade578f00457ef0109e7ead8391af"


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


def test_no_posterior_is_invented_for_heavy_tails() -> None:
    law = replace(BASE, noise=StudentNoise(0.25, 3.0))
    with pytest.raises(NoClosedForm):
        law.bayes(BASE.draw(Streams(0, 0)).prompts)


@pytest.mark.parametrize(
    ("taken", "inside", "outside"),
    [
        (POSITIVE, (1e-300, 1.0), (0.0, -1.0, math.inf)),
        (NOT_NEGATIVE, (0.0, 1.0), (-1e-300, math.inf)),
        (FRACTION, (0.0, 0.5, 1.0), (-0.1, 1.1)),
        (FINITE, (-1e300, 0.0), (math.inf, -math.inf)),
        (Range(2.0, closed="high"), (2.1, math.inf), (2.0,)),
    ],
)
def test_a_range_holds_what_lies_between_its_ends_and_its_closed_ends(
    taken: Range, inside: tuple[float, ...], outside: tuple[float, ...]
) -> None:
    assert all(number in taken for number in inside)
    assert not any(number in taken for number in outside)
