"""Gaussian tasks: posteriors and risks under any covariance of the task, noise that follows x, a change of task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from icl_bench import load_model, load_scenario, run_suite
from icl_bench.arrays import Array
from icl_bench.assembly.plugins import bound
from icl_bench.errors import NoClosedForm, PluginError
from icl_bench.function_classes.linear import Linear
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.labels.heteroscedastic import Heteroscedastic
from icl_bench.laws.law import Draw, PromptLaw
from icl_bench.laws.moments import Moments
from icl_bench.laws.sizes import Sizes
from icl_bench.laws.tasks.change_point import ChangePoint
from icl_bench.laws.tasks.scaled import ScaledPrior
from icl_bench.plugins import catalogue, loading
from icl_bench.seeding import Streams
from icl_bench.theory.bayes import PosteriorMean
from icl_bench.theory.linear_learners import exact_risk
from icl_bench.theory.linear_self_attention import one_layer_risk, optimal

Z = 4.5
D = 3
FULL = [[2.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 0.5]]
SINGULAR = [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.25]]
COVARIANCES: dict[str, Any] = {"diagonal": [4.0, 1.0, 0.25], "full": FULL, "singular": SINGULAR, "identity": None}


def law_of(covariance: Any, noise_variance: float = 0.3, tau: float = 1.5) -> PromptLaw:
    return PromptLaw(Linear(D, tau, covariance), GaussianNoise(noise_variance), Sizes((0, 1, 2, 4, 7), 2))


LAWS: dict[str, PromptLaw] = {name: law_of(covariance) for name, covariance in COVARIANCES.items()}
LAWS["noise that follows x"] = law_of(FULL).add("labels", Heteroscedastic(0.8))
LAWS["change"] = law_of(FULL).with_prior(ChangePoint(Linear(D, 1.5, FULL), 3, "change"))
LAWS["change, noise that follows x"] = LAWS["change"].add("labels", Heteroscedastic(0.8))
LAWS["scaled"] = law_of(FULL).with_prior(ScaledPrior(2.0, Linear(D, 0.75, FULL)))
LAWS["no noise"] = law_of(FULL, 0.0)
LAWS["no noise, singular"] = law_of(SINGULAR, 0.0)


def slow_posterior(law: PromptLaw, draw: Draw, prompt: int, query: int) -> tuple[float, float]:
    """Mean and variance of f at one query by conditioning all that is jointly Gaussian, in plain numpy."""
    prompts = draw.prompts
    k = prompts.context_sizes[query]
    x = np.concatenate([prompts.context_x[prompt, :k].numpy(), prompts.query_x[prompt, [query]].numpy()])
    prior: Any = law.prior
    scale = 1.0
    if isinstance(prior, ScaledPrior):
        prior, scale = prior.inner, prior.factor
    part = np.zeros(k + 1)
    if isinstance(prior, ChangePoint):
        part, prior = (np.arange(k + 1) >= prior.at).astype(float), prior.inner
    assert isinstance(prior, Linear)
    root = np.eye(D) if prior.covariance is None else np.array(prior.covariance)
    joint = scale**2 * prior.tau**2 * x @ root @ x.T * (part[:, None] == part[None])
    assert law.noise.variance is not None
    noise = np.full(k, law.noise.variance)
    for placed in law.labels:
        assert isinstance(placed.part, Heteroscedastic)
        noise *= 1.0 - placed.part.mix + placed.part.mix * (x[:k] ** 2).mean(1)
    inverse = np.linalg.pinv(joint[:k, :k] + np.diag(noise), rcond=1e-10, hermitian=True)
    cross = joint[k, :k]
    mean = cross @ inverse @ prompts.context_y[prompt, :k].numpy()
    return float(mean), float(joint[k, k] - cross @ inverse @ cross)


@pytest.mark.parametrize("name", LAWS)
def test_the_posterior_is_the_conditional_gaussian(name: str) -> None:
    law = LAWS[name]
    draw = law.draw(Streams(0, 0))
    found = law.bayes(draw.prompts)
    for prompt in range(6):
        for query in range(draw.prompts.n_queries):
            mean, variance = slow_posterior(law, draw, prompt, query)
            assert float(found.mean[prompt, query]) == pytest.approx(mean, rel=1e-6, abs=1e-6)
            assert float(found.variance[prompt, query]) == pytest.approx(variance, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", LAWS)
def test_the_posterior_is_calibrated(name: str) -> None:
    """Errors have the variance it states, and say nothing more about f: also in answers that are not linear in y."""
    law, squares, products, bent = LAWS[name], [], [], []
    for block in range(8):
        draw = law.draw(Streams(3, block))
        found = law.bayes(draw.prompts)
        assert draw.targets.query_f is not None
        error = draw.targets.query_f - found.mean
        squares.append(error.square() - found.variance)
        products.append(error * found.mean)
        bent.append(error * found.mean.sign())
    for samples in (squares, products, bent):
        for column in torch.cat(samples).numpy().T:
            assert abs(column.mean()) <= Z * column.std() / len(column) ** 0.5 + 1e-9


def test_samples_have_the_covariance_that_is_declared() -> None:
    for name, covariance in COVARIANCES.items():
        law = law_of(covariance)
        w = torch.cat([law.prior.draw(law._draws(Streams(1, block)).scoped("task")) for block in range(64)])
        second = law.prior.second_moment()
        assert second is not None
        products = w[:, :, None] * w[:, None]
        error = (products.mean(0) - second).abs()
        assert bool((error <= Z * products.std(0) / len(w) ** 0.5 + 1e-12).all()), name


@pytest.mark.parametrize("covariance", ["diagonal", "full", "singular"])
@pytest.mark.parametrize("model", ["bayes", "ridge", "ols", "averaging", "zero", "linear_self_attention"])
def test_exact_risks_know_the_covariance_of_the_task(model: str, covariance: str) -> None:
    law = replace(law_of(COVARIANCES[covariance]), sizes=Sizes((0, 1, 10), 2))
    arguments: dict[str, Any] = {"ridge": {"alpha": 0.7}, "linear_self_attention": {"weights": "optimal"}}
    learner: Any = bound(load_model(model, **arguments.get(model, {})), law, law)
    differences = []
    for block in range(12):
        draw = law.draw(Streams(2, block))
        assert draw.targets.query_f is not None
        risk = exact_risk(learner, draw.prompts, draw.parameters, law)
        differences.append((learner.predict(draw.prompts).mean - draw.targets.query_f).square() - risk)
    for column in torch.cat(differences).numpy().T:
        assert abs(column.mean()) <= Z * column.std() / len(column) ** 0.5


def test_the_optimal_layer_is_the_optimum_for_the_covariance_of_the_task() -> None:
    training = replace(law_of(FULL), sizes=Sizes((6,)))
    training = load_scenario("covariate/spectrum", fixed_rotation=True).shift(training, 1.0)
    context, query = training.training_moments()
    omega = training.prior.second_moment()
    assert omega is not None

    def risk(matrix: Tensor) -> Tensor:
        assert omega is not None
        return one_layer_risk(matrix, context, query, omega, 0.3, 6)[0]

    bind: Any = load_model("linear_self_attention", weights="optimal")
    matrix = bind.bind(training).matrix.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(risk(matrix), matrix)
    assert float(gradient.abs().max()) < 1e-12
    unaware = bind.bind(replace(training, prior=Linear(D, 1.5))).matrix
    assert float(risk(matrix.detach())) < 0.99 * float(risk(unaware))
    descent: Any = load_model("preconditioned_gd", n_steps=1)
    torch.testing.assert_close(descent.bind(training).matrix, matrix.detach())


@pytest.mark.parametrize("turned", [True, False])
def test_the_optimum_under_a_singular_covariance_is_the_limit_of_its_neighbours(turned: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    basis = (
        torch.linalg.qr(torch.randn(D, D, dtype=torch.float64, generator=generator))[0]
        if turned
        else torch.eye(D).double()
    )
    omega = torch.tensor(FULL, dtype=torch.float64)
    values = torch.tensor([2.0, 1.0, 0.0], dtype=torch.float64)
    flat = (basis * values) @ basis.mT
    found = optimal(flat, omega, 5, 0.2)
    moments = Moments(torch.zeros(1, D).double(), flat[None])
    matrix = found.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(one_layer_risk(matrix, moments, moments, omega, 0.2, 5)[0], matrix)
    assert float(gradient.abs().max()) < 1e-10
    near = optimal((basis * (values + torch.tensor([0.0, 0.0, 1e-7]))) @ basis.mT, omega, 5, 0.2)
    torch.testing.assert_close(flat @ found @ flat, flat @ near @ flat, rtol=1e-5, atol=1e-5)
    outside = found @ basis[:, -1]
    torch.testing.assert_close(outside, torch.zeros_like(outside), rtol=0.0, atol=1e-10)


# What follows from one law agrees with what follows from it otherwise.

WITHOUT_POSTERIOR = {
    "covariate/errors_in_variables",
    "noise/heavy_tail",
    "noise/label_flip",
    "table/tilt",
}


def shifted_laws(name: str, base: PromptLaw) -> list[PromptLaw]:
    scenario: Any = load_scenario(name)
    return [
        scenario.shift(base, s)
        for s in scenario.severities
        if s != scenario.identity(base) and scenario.accepts(s, base)
    ]


@pytest.mark.parametrize("covariance", ["identity", "full"])
@pytest.mark.parametrize("name", sorted(catalogue.entries("scenarios")))
def test_the_risk_of_bayes_is_its_posterior_variance(name: str, covariance: str) -> None:
    """Given the covariates: one is a formula for any learner linear in the labels, the other the law's own."""
    if name in WITHOUT_POSTERIOR:
        return
    laws = [law_of(COVARIANCES[covariance])] if name == "base" else shifted_laws(name, law_of(COVARIANCES[covariance]))
    assert laws
    for law in laws:
        draw = law.draw(Streams(4, 0))
        posterior = law.bayes(draw.prompts)
        given_the_query = replace(draw.parameters, query=None)
        risk = exact_risk(PosteriorMean(law), draw.prompts, given_the_query, law)
        torch.testing.assert_close(risk, posterior.variance, rtol=1e-8, atol=1e-10)
        averaged = exact_risk(PosteriorMean(law), draw.prompts, draw.parameters, law)
        difference = (averaged - posterior.variance).numpy()
        stderr = difference.std(0) / len(difference) ** 0.5
        assert bool((abs(difference.mean(0)) <= Z * stderr + 1e-10).all())


@pytest.mark.parametrize("name", sorted(WITHOUT_POSTERIOR - {"table/tilt"}))
def test_without_a_posterior_bayes_has_neither_maps_nor_a_risk(name: str) -> None:
    for law in shifted_laws(name, law_of(None)):
        draw = law.draw(Streams(4, 0))
        reference = PosteriorMean(law)
        with pytest.raises(NoClosedForm):
            law.bayes(draw.prompts)
        assert not reference.linear_in_labels
        with pytest.raises(NoClosedForm):
            reference.linear_maps(draw.prompts)
        with pytest.raises(NoClosedForm):
            exact_risk(reference, draw.prompts, draw.parameters, law_of(None))


@pytest.mark.parametrize("name", ["noise/heteroscedastic", "task/change_point"])
@pytest.mark.parametrize("covariance", ["identity", "full"])
def test_a_posterior_frozen_at_training_has_its_risk_under_any_test_law(name: str, covariance: str) -> None:
    training = law_of(COVARIANCES[covariance])
    law = load_scenario(name).shift(training, 0.5)
    learner, differences = PosteriorMean(training), []
    for block in range(8):
        draw = law.draw(Streams(6, block))
        assert draw.targets.query_f is not None
        risk = exact_risk(learner, draw.prompts, draw.parameters, law)
        assert bool((risk >= law.bayes(draw.prompts).variance - 1e-9).all())
        differences.append((learner.predict(draw.prompts).mean - draw.targets.query_f).square() - risk)
    for column in torch.cat(differences).numpy().T:
        assert abs(column.mean()) <= Z * column.std() / len(column) ** 0.5


# In files.

SUITE = """[suite]
name = "anisotropic"
version = 1

[prompts]
n_dims = 4
context_sizes = [0, 2, 12]
noise_std = 0.5
n_prompts = 1024
function_class_arguments = { covariance = [4, 1, 1, 1] }

[[models]]
use = "bayes"
[[models]]
use = "bayes_train"
[[models]]
use = "ridge"
name = "ridge-bayes"
[[models]]
use = "ridge"
name = "ridge"
alpha = 0.25
[[models]]
use = "linear_self_attention"
name = "optimal"
weights = "optimal"

[[scenarios]]
use = "base"

[metrics]
use = ["squared_error", "exact_risk", "excess_risk", "bayes_risk"]
"""


def test_a_suite_takes_the_covariance_of_its_task(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text(SUITE)
    run = run_suite(tmp_path / "suite.toml", out=tmp_path / "run")
    scores, losses = run.scores, run.losses
    skipped = scores[scores.status == "skipped"]
    assert set(skipped.model) == {"ridge-bayes"}
    assert skipped.message.str.contains("posterior of Linear is not ridge").all()
    for model in ("bayes", "ridge", "optimal"):
        own = losses[(losses.model == model) & (losses.context_size == 12)]
        difference = (own.squared_error - own.exact_risk).to_numpy().astype(np.float64)
        assert abs(difference.mean()) < Z * difference.std() / len(difference) ** 0.5
    none = losses[(losses.model == "bayes") & (losses.context_size == 0)]
    exact: Array = none.exact_risk.to_numpy()
    np.testing.assert_allclose(exact, 7.0, rtol=1e-6)
    means = losses[losses.context_size == 12].groupby("model").exact_risk.mean()
    assert means["bayes"] < means["ridge"] < means["optimal"]


@pytest.mark.parametrize(
    ("covariance", "said"),
    [
        ([1.0, 1.0], "expected 3 numbers or 3 lists of 3, got shape"),
        ([[1.0, 0.5, 0.0], [0.4, 1.0, 0.0], [0.0, 0.0, 1.0]], "symmetric"),
        ([[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]], "negative eigenvalue"),
        ([1.0, 1.0, -0.1], "negative eigenvalue"),
        ([[1.0, 0.0, 0.0], [0.0, 1.0], [0.0, 0.0, 1.0]], "covariance"),
        ([1.0, 1.0, float("inf")], "covariance"),
        ("wide", "covariance"),
    ],
)
def test_what_is_no_covariance_is_refused(covariance: Any, said: str) -> None:
    with pytest.raises(PluginError, match=said):
        loading.build("function_classes", "linear", {"n_dims": 3, "covariance": covariance})


def test_whole_numbers_make_a_covariance_and_the_identity_is_none() -> None:
    built = loading.build("function_classes", "linear", {"n_dims": 2, "covariance": [4, 1]})
    assert built == Linear(2, 1.0, [4.0, 1.0]) == Linear(2, 1.0, [[4.0, 0.0], [0.0, 1.0]])
    assert Linear(2, 1.0, [1.0, 1.0]) == Linear(2)
    assert built.ridge_penalty(0.5) is None
    assert Linear(2).ridge_penalty(0.5) == 0.5
