"""What each learner is, held to the truths that tie learners to each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from icl_bench.assembly.plugins import bound
from icl_bench.errors import NoClosedForm, PluginError
from icl_bench.function_classes.linear import Linear
from icl_bench.laws.covariates.random_diagonal import RandomDiagonal
from icl_bench.laws.covariates.scaled import Scaled
from icl_bench.laws.covariates.spectrum import Spectrum
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.labels.student import StudentNoise
from icl_bench.laws.law import Draw, PromptLaw
from icl_bench.laws.query.row_wise import RowWise
from icl_bench.laws.sizes import Sizes
from icl_bench.laws.tasks.scaled import ScaledPrior
from icl_bench.plugins import loading
from icl_bench.prompts import PromptBatch
from icl_bench.seeding import Streams
from icl_bench.theory.linear_self_attention import optimal

D = 4
LAW = PromptLaw(Linear(D), GaussianNoise(0.25), Sizes(tuple(range(13))))
TRAINING = replace(LAW, sizes=Sizes((10,)))
SKEWED = TRAINING.add("covariates", Spectrum(1.0, None))
DRAW = LAW.draw(Streams(0, 0))


def answers(
    name: str,
    prompts: PromptBatch = DRAW.prompts,
    training: PromptLaw = TRAINING,
    test: PromptLaw = LAW,
    **arguments: Any,
) -> Tensor:
    """The predictions (prompt, query) of a model of the catalogue."""
    model = loading.build("models", name, arguments)
    model = bound(model, training, test)
    mean: Tensor = model.predict(prompts).mean
    return mean


def same(first: Tensor, second: Tensor, tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(first, second, rtol=tolerance, atol=tolerance)


def clean() -> Draw:
    """Prompts with well-conditioned contexts and enough of them that iterations converge fast: k = 0 and k >= 3 d."""
    return replace(LAW, sizes=Sizes((0, 24, 40))).draw(Streams(1, 0))


NOTHING = ["zero", "mean", "bayes", "bayes_train", "ols", "ridge", "averaging", "gradient_descent", "preconditioned_gd"]
NOTHING += ["newton_iterations", "linear_self_attention"]


@pytest.mark.parametrize("name", NOTHING)
def test_without_examples_the_answer_is_zero(name: str) -> None:
    assert not answers(name)[:, 0].any()


@pytest.mark.parametrize("name", [name for name in NOTHING if name not in ("zero", "mean")])
def test_linear_learners_are_linear(name: str) -> None:
    prompts = DRAW.prompts
    same(answers(name, replace(prompts, context_y=-3.0 * prompts.context_y)), -3.0 * answers(name))
    same(answers(name, replace(prompts, query_x=2.0 * prompts.query_x, next_example=False)), 2.0 * answers(name))


def test_trivial_references() -> None:
    assert not answers("zero").any()
    labels = DRAW.prompts.context_y
    expected = torch.stack([labels[:, :k].mean(1) if k else torch.zeros(256) for k in range(13)], dim=1)
    same(answers("mean"), expected)


def test_averaging_is_the_mean_of_label_times_example() -> None:
    prompts = DRAW.prompts
    weights = (prompts.context_x[:, :5] * prompts.context_y[:, :5, None]).mean(1)
    same(answers("averaging")[:, 5], (weights * prompts.query_x[:, 5]).sum(1))


def test_ols_interpolates_until_it_cannot() -> None:
    """Asked about its own examples, min-norm least squares gives their labels back for k <= d, and not after."""
    prompts = DRAW.prompts
    asked = replace(prompts, query_x=prompts.context_x[:, [0, 1, 3, 0]], context_sizes=(1, 3, 4, 8), next_example=False)
    found = answers("ols", asked)
    same(found[:, :3], prompts.context_y[:, [0, 1, 3]], 1e-7)
    assert (found[:, 3] - prompts.context_y[:, 0]).abs().mean() > 0.1


def test_ols_is_exact_without_noise_from_d_examples_on() -> None:
    draw = replace(LAW, noise=GaussianNoise(0.0)).draw(Streams(3, 0))
    same(answers("ols", draw.prompts)[:, D:], draw.targets.query_f[:, D:], 1e-8)


def test_ridge_without_penalty_is_ols() -> None:
    assert torch.equal(answers("ridge", alpha=0.0), answers("ols"))
    same(answers("ridge", alpha=1e-6)[:, D + 4 :], answers("ols")[:, D + 4 :], 1e-4)


def test_bayes_ridge_is_the_posterior_mean_of_the_training_law() -> None:
    training = replace(TRAINING, prior=ScaledPrior(2.0, Linear(D)), noise=GaussianNoise(1.0))
    same(answers("ridge", training=training), answers("ridge", alpha=0.25))
    same(answers("ridge", training=training), answers("bayes_train", training=training))
    same(answers("bayes", training=training), answers("ridge", alpha=0.25))  # of the test law: 0.25 over 1
    assert (answers("bayes", training=training, test=replace(LAW, noise=GaussianNoise(4.0))) != answers("bayes")).any()


def test_bayes_without_noise_is_least_squares() -> None:
    silent = replace(LAW, noise=GaussianNoise(0.0))
    same(answers("bayes", test=silent), answers("ols"))


@pytest.mark.parametrize("noise_variance", [0.01, 1.0, 10.0])
def test_evidence_finds_the_noise_level(noise_variance: float) -> None:
    """With forty examples it answers almost as the posterior mean that knows the level, closer than a wrong level's."""
    law = replace(LAW, noise=GaussianNoise(noise_variance), sizes=Sizes((20, 40)))
    prompts = law.draw(Streams(2, 0)).prompts
    best = answers("bayes", prompts, test=law)
    gap = (answers("ridge", prompts, alpha="evidence") - best).square().mean()
    power = best.square().mean()
    wrong = [
        (answers("ridge", prompts, alpha=noise_variance * factor) - best).square().mean() for factor in (10.0, 0.05)
    ]
    assert gap < 0.02 * power
    assert gap < max(wrong)


def test_evidence_weights_are_probabilities_of_the_labels() -> None:
    """By hand for one prompt: the grid's ridge answers weighted by their marginal likelihoods."""
    from scipy.stats import multivariate_normal

    prompts = DRAW.prompts.select(slice(0, 1))
    grid = [10.0 ** (step / 2) for step in range(-6, 5)]
    x, y = prompts.context_x[0, :7].numpy(), prompts.context_y[0, :7].numpy()
    logs = [multivariate_normal(cov=x @ x.T + s2 * torch.eye(7).numpy()).logpdf(y) for s2 in grid]
    weights = torch.softmax(torch.tensor(logs).double(), 0)
    expected = sum(weight * answers("ridge", prompts, alpha=s2)[0, 7] for weight, s2 in zip(weights, grid, strict=True))
    assert float(answers("ridge", prompts, alpha="evidence")[0, 7]) == pytest.approx(float(expected))


def test_gradient_descent_goes_from_averaging_to_least_squares() -> None:
    prompts = clean().prompts
    same(answers("gradient_descent", prompts, n_steps=1, learning_rate=1.0), answers("averaging", prompts))
    same(answers("gradient_descent", prompts, n_steps=3000, learning_rate=0.3), answers("ols", prompts))
    near, far = (
        (answers("gradient_descent", prompts, n_steps=n) - answers("ols", prompts)).square().mean() for n in (20, 5)
    )
    assert near < far


def test_gradient_descent_steps_as_its_training_length_allows() -> None:
    rate = (1.0 + (D / 10) ** 0.5) ** -2
    same(answers("gradient_descent"), answers("gradient_descent", learning_rate=rate))


def test_newton_iterations_go_to_least_squares() -> None:
    prompts = clean().prompts
    same(answers("newton_iterations", prompts, n_iterations=20), answers("ols", prompts))
    errors = [
        (answers("newton_iterations", prompts, n_iterations=n) - answers("ols", prompts)).abs().max() for n in (2, 5, 8)
    ]
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("training", [TRAINING, SKEWED])
def test_one_optimal_step_is_the_optimal_attention_layer(training: PromptLaw) -> None:
    step = answers("preconditioned_gd", training=training, n_steps=1)
    same(step, answers("linear_self_attention", training=training, weights="optimal"))


def test_preconditioned_descent_reaches_least_squares() -> None:
    prompts = clean().prompts
    found = answers("preconditioned_gd", prompts, training=SKEWED, n_steps=4000, learning_rate=0.3)
    same(found, answers("ols", prompts))
    plain = answers("gradient_descent", n_steps=3, learning_rate=0.4)
    same(answers("preconditioned_gd", preconditioner="covariance", n_steps=3, learning_rate=0.4), plain)


def test_attention_weights_are_those_of_the_theorems() -> None:
    x, y, query = DRAW.prompts.context_x[:, :6], DRAW.prompts.context_y[:, :6], DRAW.prompts.query_x[:, 6]
    average = (x * y[:, :, None]).mean(1)
    isotropic = average / (1 + 1 / 10 + D / 10)  # Gamma = (1 + 1/N + d/N) I
    same(answers("linear_self_attention")[:, 6], (isotropic * query).sum(1))
    diagonal = average / (3 + (D + 5) / 20)
    found = answers("linear_self_attention", weights="random_covariance_minimum", n_context_training=20)
    same(found[:, 6], (diagonal * query).sum(1))
    matrix = optimal(SKEWED.parameters(Streams(0, 0)).context.covariance[0], torch.eye(D).double(), 20, 0.25)
    best = answers("linear_self_attention", training=SKEWED, weights="optimal", n_context_training=20)
    same(best[:, 6], (average @ matrix.mT * query).sum(1))


def test_attention_ignores_the_test_law() -> None:
    for weights in ("global_minimum", "random_covariance_minimum", "optimal"):
        elsewhere = answers("linear_self_attention", test=LAW.add("covariates", Scaled(3.0)), weights=weights)
        assert torch.equal(elsewhere, answers("linear_self_attention", weights=weights))


def test_the_anchor_result_in_small() -> None:
    """Scaled tasks and queries cost the trained layer no more than their scale; scaled covariates break it."""

    def relative_risk(law: PromptLaw) -> float:
        draws = [law.draw(Streams(4, block)) for block in range(8)]
        errors = [(answers("linear_self_attention", d.prompts) - d.targets.query_f).square().mean() for d in draws]
        powers = [d.targets.query_f.square().mean() for d in draws]
        return float(sum(errors) / sum(powers))

    base = replace(TRAINING, noise=GaussianNoise(0.0))
    unshifted = relative_risk(base)
    assert relative_risk(base.add("query", RowWise(Scaled(3.0)))) == pytest.approx(unshifted, rel=1e-6)
    assert relative_risk(replace(base, prior=ScaledPrior(3.0, base.prior))) == pytest.approx(unshifted, rel=1e-6)
    assert relative_risk(base.add("covariates", Scaled(3.0))) > 10.0 > 10.0 * unshifted


def test_scikit_learn_agrees_where_both_are_exact() -> None:
    prompts = replace(LAW, sizes=Sizes((0, 8, 12))).draw(Streams(0, 0)).prompts.select(slice(0, 20))
    linear = answers("sklearn", prompts, estimator="sklearn.linear_model.LinearRegression", fit_intercept=False)
    same(linear, answers("ols", prompts))
    ridge = answers("sklearn", prompts, estimator="sklearn.linear_model.Ridge", fit_intercept=False, alpha=0.7)
    same(ridge, answers("ridge", prompts, alpha=0.7))


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("ridge", {"alpha": -1.0}, "number >= 0"),
    ("ridge", {"alpha": "bays"}, "alpha"),
    ("ridge", {"alhpa": 1.0}, "alpha"),
    ("gradient_descent", {"n_steps": 0}, "at least 1"),
    ("gradient_descent", {"n_steps": 2.5}, "n_steps"),
    ("gradient_descent", {"learning_rate": 0.0}, "> 0"),
    ("preconditioned_gd", {"n_steps": 0}, "at least 1"),
    ("preconditioned_gd", {"learning_rate": -1.0}, "> 0"),
    ("preconditioned_gd", {"preconditioner": "none"}, "preconditioner"),
    ("newton_iterations", {"n_iterations": -1}, "at least 0"),
    ("linear_self_attention", {"n_context_training": 0}, "at least 1"),
    ("linear_self_attention", {"weights": "minimum"}, "weights"),
    ("sklearn", {}, "estimator"),
    ("sklearn", {"estimator": "Ridge"}, "import path"),
    ("sklearn", {"estimator": "sklearn.linear_model.Rigde"}, "cannot be imported"),
    ("sklearn", {"estimator": "sklearn.linear_model.Ridge", "alhpa": 1.0}, "alhpa"),
    ("sklearn", {"estimator": "sklearn.metrics.r2_score"}, "sklearn"),
]


@pytest.mark.parametrize(("name", "arguments", "message"), BAD)
def test_senseless_arguments_are_plugin_errors(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError, match=message):
        loading.build("models", name, arguments)


@pytest.mark.parametrize(
    "name", ["bayes", "bayes_train", "ridge", "gradient_descent", "preconditioned_gd", "linear_self_attention"]
)
def test_a_model_that_needs_a_law_says_so(name: str) -> None:
    with pytest.raises(PluginError, match=r"bind\("):
        loading.build("models", name, {}).predict(DRAW.prompts)


@pytest.mark.parametrize("name", ["bayes", "bayes_train", "preconditioned_gd", "linear_self_attention"])
def test_a_model_that_follows_from_a_law_answers_through_what_bind_returns(name: str) -> None:
    model = loading.build("models", name, {})
    assert not hasattr(model, "predict")
    with pytest.raises(AttributeError, match="has no attribute 'perdict'"):
        _ = model.perdict
    assert callable(bound(model, TRAINING, LAW).predict)


def test_what_has_no_closed_form_says_so() -> None:
    random = TRAINING.add("covariates", RandomDiagonal(1.0))
    for name in ("preconditioned_gd", "linear_self_attention"):
        with pytest.raises(NoClosedForm, match="from prompt to prompt"):
            answers(name, training=random)
    with pytest.raises(NoClosedForm):
        answers("bayes", test=replace(LAW, noise=StudentNoise(0.25, 3.0)))
    with pytest.raises(NoClosedForm, match="labels"):
        loading.build("models", "ridge", {"alpha": "evidence"}).linear_maps(DRAW.prompts)
