"""Every truth that a law declares is held to simulation, and every truth that it denies would be a wrong one.

Laws come from the catalogue: every scenario at every usual severity, every function class, every pair of scenarios. A
posterior mean b of f is held to E b (f - b) = 0, to E (f - b)^2 = its variance, and to E (p - b)(f - b) = 0 for answers
p that are not linear in the labels: without these the best linear answer under noise of any shape would pass.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import icl_bench
from icl_bench import run_suite
from icl_bench.assembly.plugins import bound
from icl_bench.errors import NoClosedForm
from icl_bench.laws.covariates.truncated import Truncated
from icl_bench.laws.draws import Draws
from icl_bench.laws.law import Draw, Parameters, PromptLaw
from icl_bench.laws.parts import CovariatePart, LabelPart, NoisePart, ObservePart, QueryPart, RowsPart, TaskPart
from icl_bench.plugins import catalogue, loading
from icl_bench.prefix_solvers.gaussian_process import process_posterior
from icl_bench.seeding import Streams
from icl_bench.theory.linear_learners import averaged_prediction, exact_risk
from icl_bench.theory.linear_self_attention import one_layer_risk, population_loss
from tests.catalogue_laws import (
    TABLE_DIMS,
    RefusedError,
    Shift,
    at_sizes,
    carrier,
    class_law,
    linear_law,
    shifted,
    usual_laws,
    usual_shift,
)

DIMS, SIZES = 6, (2, 5, 8, 12)
Z = 4.5
RED = 6.0
"""Beyond this many standard errors a wrong declaration counts as found."""

NAMES = sorted(catalogue.entries("scenarios"))

CLASS_ARGUMENTS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "linear": ({}, {"tau": 2.0, "covariance": [2.0, 1.0, 1.0, 0.5, 0.1, 0.0]}),
}
"""Arguments with which a function class is tried; any other with its defaults."""

VARIANTS = (
    Shift("covariate/orthant", 1.0, {"query": "opposite"}),
    Shift("covariate/spectrum", 2.0, {"fixed_rotation": True}),
    Shift("covariate/subspace", 0.5, {"fixed_rotation": True}),
    Shift("covariate/random_diagonal", 4.0, {"prompts_per_draw": 64}),
    Shift("query/orthogonal", 1.0, {"full_rank": "zero"}),
    Shift("query/covariance", 2.0, {"prompts_per_draw": 64}),
)
"""Scenarios with other arguments than the default."""


def classes() -> Iterator[tuple[str, PromptLaw]]:
    """Every function class of the catalogue, unshifted."""
    for name in sorted(catalogue.entries("function_classes")):
        for number, arguments in enumerate(CLASS_ARGUMENTS.get(name, ({},))):
            dims, noise = (TABLE_DIMS, 0.0) if name == "table" else (DIMS, 0.5)
            yield f"class {name} {number}", class_law(name, dims, SIZES, noise, arguments)


def all_laws() -> Iterator[tuple[str, PromptLaw]]:
    yield from usual_laws(DIMS, SIZES)
    base = linear_law(DIMS, SIZES)
    for shift in VARIANTS:
        yield str(shift), shifted(base, shift)
    yield from classes()
    yield "curriculum over dimensions", base.add("covariates", Truncated(4))
    yield "no noise", linear_law(DIMS, SIZES, 0.0)


LAWS = dict(all_laws())
BASE = linear_law(DIMS, SIZES)


@functools.lru_cache(maxsize=8)
def blocks(law: PromptLaw, count: int, first: int = 0) -> tuple[Draw, ...]:
    return tuple(law.draw(Streams(first + seed, 0)) for seed in range(count))


def z_score(values: Tensor) -> float:
    """Mean over prompts in standard errors, 0 where every value is 0."""
    spread = float(values.std()) / len(values) ** 0.5
    return float(values.mean()) / spread if spread > 0.0 else 0.0


# The truth table


@dataclass(frozen=True)
class Truths:
    """Which questions a law answers in closed form."""

    bayes: bool
    risk: bool  # exact, given x
    tail: bool
    loss: bool  # of one linear attention layer in training

    def __and__(self, other: Truths) -> Truths:
        return Truths(*(getattr(self, f.name) and getattr(other, f.name) for f in fields(self)))

    def beyond(self, other: Truths) -> list[str]:
        return [f.name for f in fields(self) if getattr(self, f.name) and not getattr(other, f.name)]


ALL, NONE = Truths(True, True, True, True), Truths(False, False, False, False)
NO_LOSS, ONLY_X, NO_BAYES = Truths(True, True, True, False), Truths(True, True, False, False), replace(ALL, bayes=False)

TRUTHS: dict[str, Truths] = {
    "base": ALL,
    "covariate/errors_in_variables": NONE,
    "covariate/heavy_tail": ONLY_X,
    "covariate/mean": ALL,
    "covariate/orthant": ONLY_X,
    "covariate/random_diagonal": NO_LOSS,
    "covariate/scale": ALL,
    "covariate/spectrum": NO_LOSS,
    "covariate/subspace": NO_LOSS,
    "length/interpolation": ALL,
    "length/ratio": ALL,
    "noise/heavy_tail": NO_BAYES,
    "noise/heteroscedastic": ONLY_X,
    "noise/label_flip": NONE,
    "noise/variance": ALL,
    "query/covariance": NO_LOSS,
    "query/mean": ALL,
    "query/orthogonal": ONLY_X,
    "query/scale": ALL,
    "query/seen": ONLY_X,
    "table/tilt": NONE,
    "task/change_point": ONLY_X,
    "task/scale": ALL,
}
"""By hand: what must be known, and what must not be claimed, under every scenario on the law that carries it."""


def answers(question: Any) -> bool:
    try:
        question()
    except NoClosedForm:
        return False
    return True


def truths(law: PromptLaw) -> Truths:
    """What a law answers when it is asked."""
    draw = law.draw(Streams(0, 0))
    prompts, ridge = draw.prompts.select(slice(0, 2)), loading.build("models", "ridge", {"alpha": 1.0})
    few = _few(draw.parameters, 2)
    return Truths(
        bayes=answers(lambda: law.bayes(prompts)),
        risk=answers(lambda: exact_risk(ridge, prompts, few, law)),
        tail=draw.parameters.no_tail is None,
        loss=answers(law.training_moments),
    )


def _few(parameters: Parameters, count: int) -> Parameters:
    """The parameters of the first prompts."""
    query = parameters.query
    if query is not None and not query.fixed:
        query = replace(query, mean=query.mean[:count], covariance=query.covariance[:count])
    return replace(parameters, query=query)


@functools.cache
def usual(name: str) -> Shift:
    return usual_shift(name, carrier(name, DIMS, SIZES))


@pytest.mark.parametrize("name", NAMES)
def test_truths_are_those_of_the_table(name: str) -> None:
    assert name in TRUTHS, f"{name} is new: add to TRUTHS what has a closed form under it"
    law = carrier(name, DIMS, SIZES)
    assert truths(shifted(law, usual(name))) == TRUTHS[name]


def test_the_diagonal_of_theorem_4_5_has_its_own_training_loss() -> None:
    law = shifted(BASE, Shift("covariate/random_diagonal", 4.0), Shift("covariate/scale", 2.0))
    assert answers(lambda: population_loss(law, 8))
    for other in (Shift("query/scale", 2.0), Shift("noise/heteroscedastic", 1.0), Shift("covariate/mean", 1.0)):
        assert not answers(lambda: population_loss(shifted(law, other), 8))  # noqa: B023


def replaced_by(name: str, other: str) -> bool:
    """Whether `other` puts a base part in the place of what `name` changed, so that what it denied may hold again."""
    built, against = (loading.build("scenarios", n, {}) for n in (name, other))
    return bool(getattr(against, "replaces", False)) and getattr(built, "stage", 0) == getattr(against, "stage", 1)


@functools.cache
def linear_pairs() -> Mapping[tuple[str, str], PromptLaw]:
    """Every pair of scenarios that the linear law carries."""
    found = {}
    for pair in itertools.combinations(NAMES, 2):
        try:
            found[pair] = shifted(BASE, *(usual(name) for name in pair))
        except RefusedError:
            continue  # held in tests/laws/test_stages.py
    assert len(found) > len(NAMES) * 5
    return found


@pytest.mark.parametrize("name", NAMES)
def test_no_product_knows_what_a_factor_denies(name: str) -> None:
    claimed = {}
    for pair, law in linear_pairs().items():
        if pair[0] != name or any(replaced_by(*order) for order in (pair, pair[::-1])):
            continue
        both = TRUTHS.get(pair[0], NONE) & TRUTHS.get(pair[1], NONE)
        claimed[pair] = truths(law).beyond(both)
    assert {pair: beyond for pair, beyond in claimed.items() if beyond} == {}


# A user's parts that declare nothing


@dataclass(frozen=True)
class _T3(CovariatePart):
    """Multivariate t with 3 degrees of freedom."""

    def move(self, x: Tensor, rows: Any, draws: Draws) -> Tensor:
        normals = draws.per_example("chi", (3,))
        return x / normals.square().sum(-1, keepdim=True).sqrt()


@dataclass(frozen=True)
class _Sum(QueryPart):
    def move(self, query: Tensor, context: Tensor, draws: Draws) -> Tensor:
        return query + context.sum(1, keepdim=True)


@dataclass(frozen=True)
class _Tanh(TaskPart):
    n_dims: int

    def draw(self, draws: Draws) -> Tensor:
        return draws.per_prompt("w", (self.n_dims,))

    def value(self, hidden: Tensor, x: Tensor, position: Tensor) -> Tensor:
        return (x * hidden[:, None]).sum(-1).tanh()


@dataclass(frozen=True)
class _Exponential(NoisePart):
    def sample(self, draws: Draws) -> Tensor:
        return draws.per_example("e", (), "exponential") - 1.0


@dataclass(frozen=True)
class _Rounded(LabelPart):
    def labels(self, y: Tensor, f: Tensor, x: Tensor, draws: Draws) -> Tensor:
        return y.round()


@dataclass(frozen=True)
class _Coarse(ObservePart):
    def observe(
        self, x: Tensor, y: Tensor, f: Tensor | None, hidden: Any, rows: Any, draws: Draws
    ) -> tuple[Tensor, Tensor]:
        return x.round(), y


@dataclass(frozen=True)
class _Pairs(RowsPart):
    n_dims: int

    def sample(self, rows: Any, draws: Draws) -> tuple[Tensor, Tensor]:
        x = draws.per_example("x", (self.n_dims,))
        return x, x.sum(-1)


USERS: dict[str, tuple[PromptLaw, Truths]] = {
    "covariates": (BASE.add("covariates", _T3()), ONLY_X),
    "query": (BASE.add("query", _Sum()), ONLY_X),
    "task": (BASE.with_prior(_Tanh(DIMS)), NONE),
    "noise": (BASE.with_noise(_Exponential()), NONE),
    "labels": (BASE.add("labels", _Rounded()), NONE),
    "observe": (BASE.add("observe", _Coarse()), NONE),
    "rows": (PromptLaw.of_rows(_Pairs(DIMS), BASE.sizes), NONE),
}


@pytest.mark.parametrize("stage", USERS)
def test_a_part_that_declares_nothing_gets_no_number_that_rests_on_a_guess(stage: str) -> None:
    law, expected = USERS[stage]
    assert truths(law) == expected


@pytest.mark.parametrize("stage", ["covariates", "query"])
def test_labels_say_what_they_said_whatever_covariates_a_user_has(stage: str) -> None:
    """Multivariate t with 3 degrees of freedom, a query that follows its context: x says nothing of w."""
    law = USERS[stage][0]
    found = calibration(law, law, 6)
    assert max(found.linear, found.probed) < Z
    ridge = loading.build("models", "ridge", {"alpha": 0.7})
    ratios = []
    for draw in blocks(law, 6):
        risk = exact_risk(ridge, draw.prompts, draw.parameters, law)
        error = (ridge.predict(draw.prompts).mean - draw.targets.query_f).square()
        ratios.append(torch.where(risk > 1e-9 * draw.targets.query_f.square().mean(), error / risk, 1.0))
    assert max(abs(z_score(column)) for column in (torch.cat(ratios) - 1.0).T) < Z


USER_FILE = """
from dataclasses import dataclass

import icl_bench
from icl_bench.laws.parts import CovariatePart


@dataclass(frozen=True)
class T3Part(CovariatePart):
    def move(self, x, rows, draws):
        return x / draws.per_example("chi", (3,)).square().sum(-1, keepdim=True).sqrt()


@dataclass(frozen=True)
class T3:
    severities = (0.0, 1.0)

    def identity(self, law):
        return 0.0

    def shift(self, law, severity):
        return law if severity == 0.0 else law.add("covariates", T3Part())
"""


def test_no_mean_is_printed_of_a_users_covariates_that_have_none(tmp_path: Path) -> None:
    """Averaging has an index of nu/4 = 3/4 under a multivariate t, and no declaration says so: the sample must."""
    (tmp_path / "t3.py").write_text(USER_FILE)
    suite = tmp_path / "t3.toml"
    suite.write_text(
        f"""
[suite]
name = "t3"
version = 1

[prompts]
n_dims = {DIMS}
context_sizes = [4, 12]
noise_std = 0.5
n_prompts = 4096

[[models]]
use = "averaging"

[[models]]
use = "bayes"

[[models]]
use = "linear_self_attention"

[[scenarios]]
use = "./t3.py:T3"
severities = [1.0]

[training]
scenarios = [{{use = "./t3.py:T3", severity = 1.0}}]

[metrics]
use = ["squared_error"]
"""
    )
    scores = run_suite(suite, tmp_path / "run").scores
    assert set(scores[scores["model"] == "linear_self_attention"]["status"]) == {"skipped"}  # no training loss
    averaging = scores[(scores["model"] == "averaging") & (scores["metric"] == "squared_error")]
    assert len(averaging) == 2
    assert not averaging["mean_exists"].any()
    assert averaging["mean"].isna().all()
    assert averaging["median"].notna().all()
    assert set(scores[scores["model"] == "bayes"]["status"]) == {"ok"}


# Posteriors


def probes(draw: Draw, size: int, at: int) -> tuple[Tensor, Tensor]:
    """Two answers that are not linear in the labels: ridge on clipped residuals, the signs of ridge's weights."""
    x, y, query = draw.prompts.context_x[:, :size], draw.prompts.context_y[:, :size], draw.prompts.query_x[:, at]
    eye = torch.eye(x.shape[-1], dtype=torch.float64)
    maps = torch.linalg.solve(x.mT @ x + 0.5 * eye, x.mT)  # (prompt, dim, context)
    weights = (maps @ y[..., None])[..., 0]
    rest = y - (x @ weights[..., None])[..., 0]
    bound_ = 1.5 * rest.abs().median(1, keepdim=True).values
    clipped = weights + (maps @ (rest.clamp(-bound_, bound_) - rest)[..., None])[..., 0]
    return (clipped * query).sum(1), (weights.sign() * query).sum(1)


@dataclass(frozen=True)
class Calibration:
    """|z| of what must be 0 for a posterior mean, at each size."""

    linear: float  # b (f - b), and (f - b)^2 - v
    probed: float  # (p - b)(f - b)


def calibration(law: PromptLaw, believed: PromptLaw, count: int) -> Calibration:
    """How far the posterior under `believed` is from being right of prompts from `law`."""
    draws = blocks(law, count)
    posteriors = [believed.bayes(draw.prompts) for draw in draws]
    linear, probed = [0.0], [0.0]
    for at, size in enumerate(law.sizes.context_sizes):
        mean = torch.cat([posterior.mean[:, at] for posterior in posteriors]).double()
        variance = torch.cat([posterior.variance[:, at] for posterior in posteriors]).double()
        f = torch.cat([draw.targets.query_f[:, at] for draw in draws])
        power = float(f.square().mean())
        assert bool(((variance >= 0.0) & mean.isfinite()).all())
        known = variance <= 1e-9 * power
        assert bool(((mean - f)[known].abs() <= 1e-3 * (power**0.5 + f[known].abs())).all()), "sure, and wrong"
        if bool(known.all()) or (not believed.prior.gaussian and float(variance.mean()) < 0.02 * power):
            continue  # known but for rare prompts: no standard error there
        left, error, spread = mean[~known], (f - mean)[~known], variance[~known]
        scale = (left.square() + spread).sqrt() * spread.sqrt()
        linear.append(abs(z_score(left * error / scale)))
        misfit = error.square() / spread - 1.0 if believed.prior.gaussian else error.square() - spread
        linear.append(abs(z_score(misfit)))
        if size == 0:
            continue
        for answer in zip(*(probes(draw, size, at) for draw in draws), strict=True):
            off = torch.cat(answer)[~known] - left
            probed.append(abs(z_score(off * error / (off.square() + spread).sqrt() / spread.sqrt())))
    return Calibration(max(linear), max(probed))


POSTERIORS = [name for name, law in LAWS.items() if truths(law).bayes]


@pytest.mark.parametrize("name", POSTERIORS)
def test_the_posterior_is_right_of_its_mean_and_of_its_error(name: str) -> None:
    found = calibration(LAWS[name], LAWS[name], 6)
    assert found.linear < Z
    assert found.probed < Z


@pytest.mark.parametrize("name", POSTERIORS)
def test_no_learner_is_better_than_bayes(name: str) -> None:
    """Over the posterior variance, which x alone decides, no mean of (p - f)^2 - (b - f)^2 is below 0."""
    law = LAWS[name]
    learners = [loading.build("models", use, {}) for use in ("averaging", "ols", "zero", "mean")]
    learners.append(loading.build("models", "ridge", {"alpha": "evidence"}))
    draws = blocks(law, 6 if law.sizes.n_context < 40 else 2)
    posteriors = [law.bayes(draw.prompts) for draw in draws]
    for learner in learners:
        gains = []
        for draw, posterior in zip(draws, posteriors, strict=True):
            f, variance = draw.targets.query_f, posterior.variance
            gain = (learner.predict(draw.prompts).mean - f).square() - (posterior.mean - f).square()
            gains.append(torch.where(variance > 1e-9 * f.square().mean(), gain / variance.clamp_min(1e-12), 0.0))
        assert min(z_score(column) for column in torch.cat(gains).T) > -Z


@dataclass(frozen=True)
class _Contaminated(NoisePart):
    """One label in ten has nine tenths of the variance of all, and `gaussian` is claimed."""

    variance: float
    gaussian: bool

    def sample(self, draws: Draws) -> Tensor:
        wild = draws.per_example("which", (), "uniform") < 0.1
        deviation = torch.where(wild, 9.0 * self.variance, self.variance / 9.0).sqrt()
        return deviation * draws.per_example("")


WRONG: dict[str, tuple[PromptLaw, PromptLaw]] = {
    "covariates seen with errors": (
        shifted(BASE, Shift("covariate/errors_in_variables", 0.5)),
        BASE,
    ),
    "flipped labels": (shifted(BASE, Shift("noise/label_flip", 0.2)), BASE),
    "contaminated noise that claims to be Gaussian": (
        BASE.with_noise(_Contaminated(4.0, gaussian=True)),
        BASE.with_noise(_Contaminated(4.0, gaussian=True)),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_posterior_of_another_law_is_found_out(name: str) -> None:
    law, believed = WRONG[name]
    found = calibration(law, believed, 12)
    assert max(found.linear, found.probed) > RED


def test_noise_that_is_not_gaussian_is_found_by_answers_that_are_not_linear() -> None:
    law, believed = WRONG["contaminated noise that claims to be Gaussian"]
    found = calibration(law, believed, 12)
    assert found.probed > max(RED, 2.0 * found.linear)
    assert not answers(lambda: BASE.with_noise(_Contaminated(4.0, gaussian=False)).bayes(blocks(BASE, 1)[0].prompts))


@pytest.mark.parametrize("name", NAMES)
def test_posteriors_of_products_are_right(name: str) -> None:
    for pair, law in linear_pairs().items():
        if pair[0] == name and truths(law).bayes:
            found = calibration(law, law, 2)
            assert max(found.linear, found.probed) < 5.5, pair  # some thousand scores in all


# Exact risks given x

LEARNERS: Mapping[str, Mapping[str, Any]] = {
    "averaging": {},
    "bayes": {},
    "bayes_train": {},
    "gradient_descent": {"learning_rate": 0.3},
    "ols": {},
    "ridge": {"alpha": 0.7},
    "zero": {},
}
RISKS = [name for name, law in LAWS.items() if truths(law).risk]


def averages(learner: Any, parameters: Parameters) -> bool:
    """Whether the exact risk of a learner is that over all queries, not at the one asked."""
    one_weight = parameters.task_second_moment is not None and parameters.noise_variance is not None
    return one_weight and parameters.query is not None and not getattr(learner, "linear_in_labels", False)


def query_power(learner: Any, draw: Draw) -> Tensor:
    """E |x_q|^2 where the risk averages over the query, |x_q|^2 where it is given, (prompt, query)."""
    if not averages(learner, draw.parameters):
        return draw.prompts.query_x.square().sum(-1)
    assert draw.parameters.query is not None
    trace = draw.parameters.query.second.diagonal(dim1=1, dim2=2).sum(-1)
    return trace[:, None].expand(-1, draw.prompts.n_queries)


def largest_risk(name: str, learner: Any, law: PromptLaw, draw: Draw) -> Tensor | None:
    """A cap on the risk of a learner, (prompt, query): 2 g (K + S) g + 2 E f(x_q)^2, |g| by the singular values of X.

    None for a descent, which may diverge.
    """
    prompts, power = draw.prompts, query_power(learner, draw)
    rank = draw.parameters.context_rank or prompts.n_dims
    x, positions = prompts.context_x, torch.arange(prompts.n_context)
    own = _prior_power(learner, law, draw)
    scale = law.label_scale(x)
    noise = law.noise.variance * (1.0 if scale is None else scale.square().amax(1))
    caps = []
    for at, size in enumerate(prompts.context_sizes):
        if size == 0 or name == "zero":
            caps.append(own[:, at])
            continue
        values = torch.from_numpy(np.linalg.svd(x[:, :size].numpy(), compute_uv=False))
        gain = {
            "averaging": values[:, 0] / size,
            "bayes_train": torch.full((prompts.n_prompts,), 0.5 / 0.25**0.5, dtype=torch.float64),
            "ridge": torch.full((prompts.n_prompts,), 0.5 / 0.7**0.5, dtype=torch.float64),
            "ols": 1.0 / values[:, min(size, rank) - 1],
        }.get(name)
        if name == "bayes":
            caps.append(own[:, at])
        elif gain is None:
            return None
        else:
            kernel = law.prior.kernel(x[:, :size], positions[:size], x[:, :size], positions[:size])
            assert kernel is not None
            most = kernel.diagonal(dim1=1, dim2=2).sum(-1) + noise
            caps.append(2.0 * power[:, at] * gain.square() * most + 2.0 * own[:, at])
    return torch.stack(caps, dim=1)


def _prior_power(learner: Any, law: PromptLaw, draw: Draw) -> Tensor:
    """E f(x_q)^2 before any label, (prompt, query), by the kernel or over the query's moments."""
    if averages(learner, draw.parameters):
        assert draw.parameters.query is not None
        found = (draw.parameters.query.second * draw.parameters.task_second_moment).sum((-1, -2))
        return found[:, None].expand(draw.prompts.n_prompts, draw.prompts.n_queries)
    query, columns = draw.prompts.query_x, []
    for at, size in enumerate(draw.prompts.context_sizes):
        position = torch.tensor([size])
        kernel = law.prior.kernel(query[:, [at]], position, query[:, [at]], position)
        assert kernel is not None
        columns.append(kernel[:, 0, 0])
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize("name", RISKS)
def test_exact_risks_are_mean_squared_errors_and_lie_within_bounds(name: str) -> None:
    """As a ratio, whose mean given x is 1 where the risk has none too, and within bounds, which no spread can hide."""
    law = LAWS[name]
    draws = blocks(law, 4)
    for use, arguments in LEARNERS.items():
        if use == "bayes" and name not in POSTERIORS:
            continue
        learner = bound(loading.build("models", use, arguments), BASE, law)
        ratios = []
        for draw in draws:
            risk = exact_risk(learner, draw.prompts, draw.parameters, law)
            assert bool((risk >= -1e-9).all()), use
            cap = largest_risk(use, learner, law, draw)
            assert cap is None or bool((risk <= cap * (1.0 + 1e-6) + 1e-9).all()), use
            error = (learner.predict(draw.prompts).mean - draw.targets.query_f).square()
            assert bool((error <= 1e6 * (risk + 1e-6 * draw.targets.query_f.square().mean())).all()), use
            ratios.append(torch.where(risk > 1e-9 * draw.targets.query_f.square().mean(), error / risk, 1.0))
        if law.noise.tail is not None and law.noise.tail > 4.0:  # else the ratio has no standard error
            assert max(abs(z_score(column)) for column in (torch.cat(ratios) - 1.0).T) < Z, use


@pytest.mark.parametrize("name", NAMES)
def test_exact_risks_of_products_are_mean_squared_errors(name: str) -> None:
    ridge = loading.build("models", "ridge", {"alpha": 0.7})
    for pair, law in linear_pairs().items():
        if pair[0] != name or not truths(law).risk or (law.noise.tail or 0.0) <= 4.0:
            continue
        ratios = []
        for draw in blocks(law, 2):
            risk = exact_risk(ridge, draw.prompts, draw.parameters, law)
            error = (ridge.predict(draw.prompts).mean - draw.targets.query_f).square()
            assert bool((risk >= 0.0).all())
            ratios.append(torch.where(risk > 1e-9 * draw.targets.query_f.square().mean(), error / risk, 1.0))
        assert max(abs(z_score(column)) for column in (torch.cat(ratios) - 1.0).T) < 5.5, pair


# Training losses of one linear attention layer

MATRIX = torch.diag(torch.linspace(0.2, 0.7, DIMS, dtype=torch.float64)) + 0.05
LOSSES = [name for name, law in LAWS.items() if answers(functools.partial(population_loss, law, 8))]


def layer_errors(law: PromptLaw, size: int, count: int) -> Tensor:
    """(x_q . A S - f)^2 after `size` examples, (prompt,)."""
    asked = at_sizes(replace(law, sizes=replace(law.sizes, skipped=())), (size,), 4)
    errors = []
    for seed in range(count):
        draw = asked.draw(Streams(500 + seed, 0))
        error = (averaged_prediction(draw.prompts, MATRIX) - draw.targets.query_f).square()
        errors.append(error.mean(1))
    return torch.cat(errors)


@pytest.mark.parametrize("name", LOSSES)
def test_training_losses_are_mean_squared_errors(name: str) -> None:
    """Seeds are many: after few examples the error is heavy-tailed, though every moment exists."""
    law = LAWS[name]
    shared = 64 if "prompts_per_draw=64" in name else 1
    errors = layer_errors(law, 8, 40 if shared > 1 else 20)
    errors = errors.reshape(-1, shared).mean(1)
    expected = float(population_loss(law, 8)(MATRIX))
    assert expected >= 0.0
    assert abs(z_score(errors - expected)) < Z


# Tails


def hill(losses: Tensor, share: float = 0.01) -> float:
    """The tail index by Hill's estimate from the largest `share` of the losses."""
    values = losses.flatten().sort(descending=True).values
    count = max(50, int(share * len(values)))
    return float(1.0 / (values[:count] / values[count]).log().mean())


TAILS = [name for name, law in LAWS.items() if truths(law).tail and law.noise.variance]
"""Laws with noise: without it the error of least squares is rounding from d examples on."""


@pytest.mark.parametrize("name", TAILS)
def test_tails_of_least_squares_are_no_heavier_than_declared(name: str) -> None:
    """At the interpolation threshold of the law's own rank, and beside it."""
    law = LAWS[name]
    parameters = law.parameters(Streams(0, 0))
    ols = loading.build("models", "ols", {})
    rank = parameters.context_rank
    assert rank is not None
    sizes = (rank - 1, rank, rank + 1)
    asked = at_sizes(replace(law, sizes=replace(law.sizes, skipped=())), [size for size in sizes if size], 2)
    errors = []
    for seed in range(8):
        draw = asked.draw(Streams(700 + seed, 0))
        errors.append((ols.predict(draw.prompts).mean - draw.targets.query_f).square())
    for at, size in enumerate(asked.sizes.context_sizes):
        declared = ols.tail_index(parameters, size)
        assert declared is not None
        found = hill(torch.cat(errors)[:, 2 * at : 2 * at + 2], 0.02)
        assert found > 0.6 * min(declared, 2.0), (size, declared, found)
        if size == rank:  # beside it the signal hides the tail in samples of this size
            assert found < 1.8 * declared, (size, declared, found)


@pytest.mark.parametrize("degrees", [2.1, 3.0, 5.0])
def test_noise_has_the_tail_that_it_declares(degrees: float) -> None:
    law = shifted(linear_law(2, (2,)), Shift("noise/heavy_tail", degrees))
    law = at_sizes(law, (2,), 8)
    draws = [law.draw(Streams(seed, 0)) for seed in range(40)]
    noise = torch.cat([(draw.targets.query_y - draw.targets.query_f).abs() for draw in draws])
    assert law.noise.tail == degrees
    assert 0.75 * degrees < hill(noise, 0.005) < 1.3 * degrees


def test_the_inverse_of_a_random_diagonal_has_the_tail_that_it_declares() -> None:
    law = shifted(BASE, Shift("covariate/random_diagonal", 4.0), Shift("query/scale", 2.0))
    parameters = [law.parameters(Streams(seed, 0)) for seed in range(40)]
    assert {one.inverse_tail for one in parameters} == {1.0}
    smallest = torch.cat([one.context.covariance.diagonal(dim1=1, dim2=2).amin(1) for one in parameters if one.context])
    assert 0.8 < hill(1.0 / smallest) < 1.25


@pytest.mark.parametrize("name", TAILS)
def test_an_inverse_that_is_declared_bounded_is(name: str) -> None:
    parameters = [LAWS[name].parameters(Streams(seed, 0)) for seed in range(8)]
    if parameters[0].inverse_tail != float("inf") or not LAWS[name].query:
        return  # unbounded by declaration, or queries share the covariance and it cancels
    values = torch.cat([torch.linalg.eigvalsh(one.context.covariance) for one in parameters if one.context])
    least = torch.where(values > 1e-9 * values.amax(1, keepdim=True), values, float("inf")).amin(1)
    assert float(least.amin()) > 1e-3 * float(least.median())


# By hand


def test_errors_in_variables_have_the_risk_of_the_master_formula() -> None:
    """S = (1/M) sum y x~, x~ = x + u: E S = L w, Cov S = (1/M) [L w w L + (w L w + s2) (L + Delta)]."""
    delta, size = 0.5, 8
    law = shifted(
        BASE, Shift("covariate/errors_in_variables", delta), Shift("covariate/spectrum", 1.0, {"fixed_rotation": True})
    )
    clean = replace(law, observe=())
    covariance, omega = clean.training_moments()[0].covariance[0], torch.eye(DIMS, dtype=torch.float64)
    seen = covariance + delta * torch.eye(DIMS, dtype=torch.float64)
    off = MATRIX @ covariance - torch.eye(DIMS, dtype=torch.float64)
    spread = covariance @ omega @ covariance + (torch.trace(covariance @ omega) + 0.25) * seen
    expected = (
        torch.trace(covariance @ off @ omega @ off.T) + torch.trace(covariance @ MATRIX @ spread @ MATRIX.T) / size
    )
    errors = layer_errors(law, size, 40)
    assert abs(z_score(errors - expected)) < Z
    assert 0.0 < float(expected) < 10.0 * DIMS
    context, query = clean.training_moments()
    without = one_layer_risk(MATRIX, context, query, omega, 0.25, size)
    assert abs(z_score(errors - without)) > RED  # the clean law's formula is another


@pytest.mark.parametrize("degrees", [9.0, 13.0])
def test_multivariate_t_has_the_covariance_of_its_average(degrees: float) -> None:
    """Cov S = (1/M) [k (2 L w w L + (w L w) L) - L w w L + s2 L], k = (nu - 2)/(nu - 4)."""
    size, kurtosis = 8, (degrees - 2.0) / (degrees - 4.0)
    law = shifted(BASE, Shift("covariate/heavy_tail", degrees))
    eye = torch.eye(DIMS, dtype=torch.float64)

    def risk(k: float) -> Tensor:
        off, spread = MATRIX - eye, (k * (2.0 + DIMS) - 1.0 + 0.25) * eye
        return torch.trace(off @ off.T) + torch.trace(MATRIX @ spread @ MATRIX.T) / size

    errors = layer_errors(law, size, 60)
    assert abs(z_score(errors - risk(kurtosis))) < Z
    if degrees == 9.0:
        assert abs(z_score(errors - risk(1.0))) > RED  # as if they were Gaussian


@pytest.mark.parametrize("mix", [0.5, 1.0])
def test_bayes_under_noise_that_follows_x_is_a_weighted_ridge(mix: float) -> None:
    law = shifted(BASE, Shift("noise/heteroscedastic", mix))
    draw = law.draw(Streams(3, 0))
    posterior = law.bayes(draw.prompts)
    for prompt in range(12):
        x, y = draw.prompts.context_x[prompt].numpy(), draw.prompts.context_y[prompt].numpy()
        for at, size in enumerate(SIZES):
            weights = 1.0 / (0.25 * ((1.0 - mix) + mix * (x[:size] ** 2).sum(1) / DIMS))
            precision = np.eye(DIMS) + (x[:size].T * weights) @ x[:size]
            query = draw.prompts.query_x[prompt, at].numpy()
            mean = query @ np.linalg.solve(precision, x[:size].T @ (weights * y[:size]))
            variance = query @ np.linalg.solve(precision, query)
            assert float(posterior.mean[prompt, at]) == pytest.approx(mean, rel=1e-9, abs=1e-12)
            assert float(posterior.variance[prompt, at]) == pytest.approx(variance, rel=1e-9)


@pytest.mark.parametrize("fraction", [0.25, 0.5, 0.75])
def test_bayes_after_a_change_is_that_of_the_gaussian_process(fraction: float) -> None:
    law = shifted(BASE, Shift("task/change_point", fraction))
    prompts = law.draw(Streams(4, 0)).prompts
    noise = torch.full_like(prompts.context_y, 0.25)
    mean, variance = process_posterior(law.prior.kernel, prompts, noise)
    posterior = law.bayes(prompts)
    torch.testing.assert_close(posterior.mean, mean, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(posterior.variance, variance, rtol=1e-8, atol=1e-10)


@dataclass(frozen=True)
class _Unseen(TaskPart):
    """w = 1 + z: a mean that is not zero, with the kernel that goes with it, and no word about the mean."""

    n_dims: int

    def draw(self, draws: Draws) -> Tensor:
        return 1.0 + draws.per_prompt("", (self.n_dims,))

    def value(self, hidden: Tensor, x: Tensor, position: Tensor) -> Tensor:
        return (x * hidden[:, None]).sum(-1)

    def kernel(self, first_x: Tensor, first: Tensor, second_x: Tensor, second: Tensor) -> Tensor:
        omega = torch.eye(self.n_dims, dtype=torch.float64) + 1.0
        return first_x @ omega @ second_x.mT


def test_a_change_between_functions_of_unknown_mean_has_no_kernel() -> None:
    """Both parts share the mean, so their product is not 0 on average: the kernel would be wrong across the change."""
    law = shifted(BASE.with_prior(_Unseen(DIMS)), Shift("task/change_point", 0.5))
    assert answers(lambda: exact_risk(LINEAR_RIDGE, *_asked(BASE.with_prior(_Unseen(DIMS)))))
    assert not answers(lambda: exact_risk(LINEAR_RIDGE, *_asked(law)))


LINEAR_RIDGE = loading.build("models", "ridge", {"alpha": 0.7})


def _asked(law: PromptLaw) -> tuple[Any, Parameters, PromptLaw]:
    draw = law.draw(Streams(0, 0))
    return draw.prompts, draw.parameters, law


# Nothing is left out

BASES = (CovariatePart, QueryPart, TaskPart, NoisePart, LabelPart, ObservePart, RowsPart)


def shipped_parts() -> set[type]:
    """Every part that the package defines, bases of others left out."""
    for module in pkgutil.walk_packages(icl_bench.__path__, "icl_bench."):
        if module.name.startswith(("icl_bench.laws.", "icl_bench.function_classes.")):
            importlib.import_module(module.name)
    found, waiting = set(), list(BASES)
    while waiting:
        children = _package_children(waiting.pop())
        waiting.extend(children)
        found.update(child for child in children if not _package_children(child))
    return found


def _package_children(part: type) -> list[type]:
    """The bases that `dataclass(slots=True)` leaves behind under the same name are none."""
    own = [child for child in part.__subclasses__() if child.__module__.startswith("icl_bench.")]
    return [child for child in own if getattr(sys.modules[child.__module__], child.__name__) is child]


def parts_of(value: Any) -> Iterator[type]:
    """Every part in a law, those inside others included."""
    if isinstance(value, BASES):
        yield type(value)
    if is_dataclass(value):
        for one in fields(value):
            yield from parts_of(getattr(value, one.name))
    elif isinstance(value, tuple):
        for one in value:
            yield from parts_of(one)


def test_every_part_that_ships_is_among_the_laws_that_are_tried() -> None:
    tried = {part for law in LAWS.values() for part in parts_of(law)}
    missing = {part.__name__ for part in shipped_parts() - tried if not part.__name__.startswith("_")}
    assert not missing, f"no law of these tests has {sorted(missing)}: add one to `all_laws`"
