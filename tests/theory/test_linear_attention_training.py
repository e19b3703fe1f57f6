"""Trainable linear attention: the layers are what their papers define, and training reaches what theory says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from icl_bench.errors import NoClosedForm, PluginError
from icl_bench.function_classes.linear import Linear
from icl_bench.laws.covariates.displaced import Displaced
from icl_bench.laws.covariates.random_diagonal import RandomDiagonal
from icl_bench.laws.covariates.scaled import Scaled
from icl_bench.laws.covariates.spectrum import Spectrum
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.moments import Moments
from icl_bench.laws.parts import CovariatePart
from icl_bench.laws.query.row_wise import RowWise
from icl_bench.laws.sizes import Sizes
from icl_bench.laws.tasks.scaled import ScaledPrior
from icl_bench.layers.learner import Learner
from icl_bench.layers.linear_self_attention import CornerLayer, LinearSelfAttentionLayer
from icl_bench.layers.linear_transformer import BlockStep, FullStep, LinearTransformer
from icl_bench.plugins import loading
from icl_bench.plugins.protocols import LinearLearner
from icl_bench.prompts import PromptBatch
from icl_bench.seeding import Streams
from icl_bench.theory.linear_learners import averaged_prediction, exact_risk
from icl_bench.theory.linear_self_attention import (
    global_minimum,
    one_layer_risk,
    optimal,
    population_loss,
    random_covariance_minimum,
    random_diagonal_loss,
)

Z = 4.5
D = 3
LAW = PromptLaw(Linear(D), GaussianNoise(0.3), Sizes((0, 1, 2, 3, 5, 8)))


def prompts_of(law: PromptLaw = LAW, n_prompts: int = 4, seed: int = 0) -> PromptBatch:
    return law.draw(Streams(seed, 0)).prompts.select(slice(0, n_prompts))


def random(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def randomised(learner: Learner, seed: int = 0, scale: float = 0.4) -> Learner:
    """The learner in float64, all weights random and of a size at which every term of the answer counts."""
    learner = learner.double()
    with torch.no_grad():
        for place, parameter in enumerate(learner.parameters()):
            parameter.copy_(scale * random(seed + place, *parameter.shape))
    return learner


def built(name: str, **arguments: Any) -> Learner:
    learner: Learner = loading.build("models", name, arguments).initial(D)
    return learner


def one_by_one(prompts: PromptBatch, answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Tensor:
    """`answer(x, y, query)` for each prompt and query apart, on exactly the examples the query may see."""
    rows = [
        [
            answer(prompts.context_x[p, :k], prompts.context_y[p, :k], prompts.query_x[p, j])
            for j, k in enumerate(prompts.context_sizes)
        ]
        for p in range(prompts.n_prompts)
    ]
    return torch.stack([torch.stack(row) for row in rows])


def test_the_layer_is_the_paper_s_formula_for_any_weights() -> None:
    layer = randomised(LinearSelfAttentionLayer(D))
    value, key_query = layer.value.detach(), layer.key_query.detach()  # type: ignore[union-attr]

    def formula(x: Tensor, y: Tensor, query: Tensor) -> Tensor:
        if len(x) == 0:
            return torch.zeros(()).double()
        e = torch.cat([torch.cat([x, y[:, None]], 1), torch.cat([query, torch.zeros(1)])[None]]).T
        return (e + value @ e @ (e.T @ key_query @ e) / len(x))[-1, -1]

    prompts = prompts_of()
    torch.testing.assert_close(layer.answers(prompts)[..., 0], one_by_one(prompts, formula))


@pytest.mark.parametrize("start", ["identity", "random"])
def test_both_layers_begin_at_assumption_3_3(start: str) -> None:
    corner = built("linear_attention_layer", sigma=0.2, start=start)
    full = built("linear_attention_layer", sigma=0.2, start=start, blocks="full")
    assert isinstance(corner, CornerLayer)
    assert isinstance(full, LinearSelfAttentionLayer)
    value, key_query = full.value.detach(), full.key_query.detach()
    assert float(value[-1, -1]) == float(corner.value.detach()) == pytest.approx(0.2)
    assert float(value.abs().sum()) == pytest.approx(0.2)
    torch.testing.assert_close(key_query[:D, :D], corner.key_query.detach())
    assert float(key_query.norm()) == pytest.approx(0.2)
    assert not key_query[-1].any()
    assert not key_query[:, -1].any()
    assert float(torch.linalg.eigvalsh(key_query).min()) > -1e-6  # Theta Theta^T
    assert torch.equal(key_query[:D, :D], key_query[0, 0] * torch.eye(D)) == (start == "identity")
    prompts = prompts_of().to("cpu", torch.float32)
    torch.testing.assert_close(full.answers(prompts), corner.answers(prompts))


def test_the_corner_answers_as_theory_does_the_right_way_round() -> None:
    layer = randomised(CornerLayer(D))
    assert isinstance(layer, CornerLayer)
    matrix = layer.matrix.detach()
    assert not torch.allclose(matrix, matrix.mT)
    prompts = prompts_of()
    torch.testing.assert_close(layer.answers(prompts)[..., 0], averaged_prediction(prompts, matrix))
    padded = LinearSelfAttentionLayer(D).double()
    with torch.no_grad():
        padded.value.zero_()[-1, -1] = layer.value
        padded.key_query.zero_()[:D, :D] = layer.key_query
    torch.testing.assert_close(padded.answers(prompts), layer.answers(prompts))


def test_the_corner_s_exact_risk_is_what_it_suffers() -> None:
    layer = randomised(CornerLayer(D)).float()  # as trained; maps are float64 all the same
    assert isinstance(layer, LinearLearner)
    assert not isinstance(LinearSelfAttentionLayer(D), LinearLearner)
    ratios = []
    for block in range(8):
        draw = LAW.draw(Streams(1, block))
        risk = exact_risk(layer, draw.prompts, draw.parameters, LAW)
        assert risk.dtype == torch.float64
        ratios.append((layer.predict(draw.prompts).mean - draw.targets.query_f).square() / risk)  # type: ignore[attr-defined]
    for column in torch.cat(ratios).double().numpy().T:
        assert abs(column.mean() - 1.0) < Z * column.std() / len(column) ** 0.5


@pytest.mark.parametrize("blocks", ["corner", "full"])
def test_gradients_of_a_sampled_loss_are_those_of_the_population(blocks: str) -> None:
    """At the start, averaged over prompts; what is outside the corner has a mean gradient of zero (Lemma 5.2)."""
    law = replace(LAW, sizes=Sizes((5,)), noise=GaussianNoise(0.0))
    layer = built("linear_attention_layer", blocks=blocks, sigma=0.5, start="random").double()
    gradients = []
    for block in range(40):
        draw = law.draw(Streams(2, block))
        layer.zero_grad()
        layer.head.loss(layer.answers(draw.prompts), draw.targets.query_f).mean().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in layer.parameters() if p.grad is not None]))
    corner = built("linear_attention_layer", sigma=0.5, start="random").double()
    assert isinstance(corner, CornerLayer)
    population_loss(law, 5)(corner.matrix).backward()
    value, key_query = corner.value.grad, corner.key_query.grad
    assert value is not None
    assert key_query is not None
    if blocks == "full":
        value = nn.functional.pad(value.view(1, 1), (D, 0, D, 0))
        key_query = nn.functional.pad(key_query, (0, 1, 0, 1))
    expected = torch.cat([value.flatten(), key_query.flatten()])
    sample = torch.stack(gradients)
    error = (sample.mean(0) - expected).abs()
    assert bool((error <= Z * sample.std(0) / len(sample) ** 0.5 + 1e-12).all())
    assert float(expected.abs().max()) > 0.1


# The population's loss.


@pytest.mark.parametrize(("n_context", "noise_variance"), [(1, 0.0), (6, 0.7)])
def test_the_random_diagonal_loss_is_the_mean_squared_error(n_context: int, noise_variance: float) -> None:
    """With a matrix that is neither diagonal nor symmetric, so that every term counts."""
    matrix = 0.4 * random(3, D, D) + 0.3 * torch.eye(D)
    expected = float(random_diagonal_loss(matrix, (1.0, 2.0, 6.0), n_context, noise_variance))
    diagonals = torch.from_numpy(np.random.default_rng(0).exponential(1.0, (200_000, D)))
    moments = Moments(torch.zeros(1, D).double(), torch.diag_embed(diagonals))
    risks = one_layer_risk(matrix, moments, moments, torch.eye(D).double(), noise_variance, n_context).numpy()
    assert abs(risks.mean() - expected) < Z * risks.std() / len(risks) ** 0.5
    rng = np.random.default_rng(1)
    roots = diagonals.sqrt().numpy()[:100_000]
    x = rng.standard_normal((len(roots), n_context + 1, D)) * roots[:, None]
    w = rng.standard_normal((len(roots), D))
    f = np.einsum("pki,pi->pk", x, w)
    y = f[:, :-1] + noise_variance**0.5 * rng.standard_normal((len(roots), n_context))
    answers = np.einsum("pi,ij,pkj,pk->p", x[:, -1], matrix.numpy(), x[:, :-1], y, optimize=True) / n_context
    errors = (answers - f[:, -1]) ** 2
    assert abs(errors.mean() - expected) < Z * errors.std() / len(errors) ** 0.5


LAWS: dict[str, PromptLaw] = {
    "standard": LAW,
    "scaled": LAW.add("covariates", Scaled(0.7)),
    "fixed spectrum": LAW.add("covariates", Spectrum(1.0, None)),
    "displaced": LAW.add("covariates", Displaced(1.0)),
    "random diagonal": LAW.add("covariates", RandomDiagonal(1.0)),
    "scaled diagonal": LAW.under("first")
    .add("covariates", Scaled(1.2))
    .under("")
    .add("covariates", RandomDiagonal(0.5))
    .add("covariates", Scaled(0.8)),
}


@pytest.mark.parametrize("name", LAWS)
def test_the_population_loss_is_the_layer_s_error_on_the_law(name: str) -> None:
    law = replace(LAWS[name], prior=ScaledPrior(1.5, LAW.prior), sizes=Sizes((4,)))
    matrix = 0.3 * random(4, D, D) + 0.4 * torch.eye(D)
    expected = float(population_loss(law, 4)(matrix))
    errors = []
    for block in range(60):
        draw = law.draw(Streams(7, block))
        errors.append((averaged_prediction(draw.prompts, matrix) - draw.targets.query_f).square())
    sample = torch.cat(errors).numpy()
    assert abs(sample.mean() - expected) < Z * sample.std() / len(sample) ** 0.5


def test_laws_without_a_known_population_loss_are_refused() -> None:
    with pytest.raises(NoClosedForm, match="from prompt to prompt"):
        population_loss(LAW.add("covariates", Spectrum(1.0)), 5)
    with pytest.raises(NoClosedForm, match="queries do not share"):
        population_loss(LAW.add("covariates", RandomDiagonal(1.0)).add("query", RowWise(Scaled(2.0))), 5)
    with pytest.raises(ValueError, match="at least 1"):
        population_loss(LAW, 0)


@pytest.mark.parametrize("n_dims", [2, 9])
def test_the_random_diagonal_loss_is_least_at_theorem_4_5(n_dims: int) -> None:
    matrix = random_covariance_minimum(1.0, 2.0, 6.0, n_dims, 7).requires_grad_()
    (gradient,) = torch.autograd.grad(random_diagonal_loss(matrix, (1.0, 2.0, 6.0), 7), matrix)
    assert float(gradient.abs().max()) < 1e-12


def descend(layer: CornerLayer, loss: Callable[[Tensor], Tensor], optimiser: str, n_steps: int = 400) -> None:
    kinds: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "gradient descent": lambda: torch.optim.SGD(layer.parameters(), lr=0.02),
        "Adam": lambda: torch.optim.Adam(layer.parameters(), lr=0.02),
        "L-BFGS": lambda: torch.optim.LBFGS(layer.parameters(), max_iter=n_steps, line_search_fn="strong_wolfe"),
    }
    chosen = kinds[optimiser]()

    def closure() -> Tensor:
        chosen.zero_grad()
        value = loss(layer.matrix)
        value.backward()
        return value

    for step in range(1 if optimiser == "L-BFGS" else n_steps):
        if optimiser == "Adam":  # at a constant rate it trembles at the minimum, by more than 1e-3
            chosen.param_groups[0]["lr"] = 0.02 * (1.0 - step / n_steps)
        chosen.step(closure)  # type: ignore[arg-type]


@pytest.mark.parametrize("start", ["identity", "random"])
@pytest.mark.parametrize("optimiser", ["gradient descent", "Adam", "L-BFGS"])
@pytest.mark.parametrize("covariates", [Spectrum(0.5, None), RandomDiagonal(1.0)])
@pytest.mark.parametrize("n_dims", [8, 20])
def test_training_reaches_the_closed_forms(n_dims: int, covariates: CovariatePart, optimiser: str, start: str) -> None:
    """From Assumption 3.3's start to the products of Theorems 4.1 and 4.5, though the loss is not convex."""
    n_context = 2 * n_dims
    law = PromptLaw(Linear(n_dims), GaussianNoise(0.0), Sizes((n_context,))).add("covariates", covariates)
    torch.manual_seed(0)
    layer = CornerLayer(n_dims, start="identity" if start == "identity" else "random").double()
    descend(layer, population_loss(law, n_context), optimiser)
    if isinstance(covariates, RandomDiagonal):
        expected = random_covariance_minimum(1.0, 2.0, 6.0, n_dims, n_context)
    else:
        expected = global_minimum(law.training_moments()[0].covariance[0], n_context)
    assert float((layer.matrix.detach() - expected).norm() / expected.norm()) < 1e-3


def test_training_with_noise_reaches_the_optimum_for_that_noise() -> None:
    law = PromptLaw(ScaledPrior(0.5, Linear(8)), GaussianNoise(1.0), Sizes((10,)))
    layer = CornerLayer(8).double()
    descend(layer, population_loss(law, 10), "L-BFGS")
    eye = torch.eye(8).double()
    torch.testing.assert_close(layer.matrix.detach(), optimal(eye, 0.25 * eye, 10, 1.0), atol=1e-4, rtol=1e-3)


# Linear transformers.

FORMS: dict[str, dict[str, Any]] = {
    "full": {"n_heads": 2},
    "diagonal": {"form": "diagonal"},
    "gd++": {"form": "gd++"},
}


def tokenwise(learner: LinearTransformer) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The network on the tokens themselves, layer by layer, every token moved: the definition."""

    def answer(x: Tensor, y: Tensor, query: Tensor) -> Tensor:
        examples, asked = torch.cat([x, y[:, None]], 1), torch.cat([query, torch.zeros(1)])
        k = len(x)
        for step in learner.steps:
            if k == 0:
                continue
            seen = [examples[: i + 1] if learner.attention == "causal" else examples for i in range(k)]
            moved = [moved_token(step, seen[i], examples[i]) for i in range(k)]
            asked = moved_token(step, examples, asked)
            examples = torch.stack(moved)
        return -asked[-1]

    return answer


def moved_token(step: nn.Module, seen: Tensor, token: Tensor) -> Tensor:
    """One token after attention to the tokens `seen`, without a second moment: sum over heads and over tokens."""
    change = torch.zeros_like(token)
    if isinstance(step, FullStep):
        for p, q in zip(step.value, step.key_query, strict=True):
            change = change + sum((p @ other) * (other @ q @ token) for other in seen) / len(seen)
        return token + change
    assert isinstance(step, BlockStep)
    from_x, from_y = step.from_x, step.from_y if step.from_y is not None else torch.zeros(2)
    for other in seen:
        towards_x = from_x[0] * (other[:-1] @ token[:-1]) + from_y[0] * other[-1] * token[-1]
        towards_y = from_x[1] * (other[:-1] @ token[:-1]) + from_y[1] * other[-1] * token[-1]
        change = change + torch.cat([towards_x * other[:-1], (towards_y * other[-1])[None]]) / len(seen)
    return token + change


@pytest.mark.parametrize("attention", ["prefix", "causal"])
@pytest.mark.parametrize("form", FORMS)
def test_one_pass_is_the_token_by_token_definition(form: str, attention: str) -> None:
    learner = randomised(built("linear_transformer", attention=attention, **FORMS[form]), seed=5)
    assert isinstance(learner, LinearTransformer)
    prompts = prompts_of(n_prompts=2)
    expected = one_by_one(prompts, tokenwise(learner))
    torch.testing.assert_close(learner.answers(prompts)[..., 0], expected, atol=1e-9, rtol=1e-9)
    assert not learner.answers(prompts)[:, 0].any()  # after 0 examples


def test_causal_and_prefix_attention_differ_from_the_second_layer_on() -> None:
    def answers(attention: str, n_layers: int) -> Tensor:
        learner = built("linear_transformer", attention=attention, n_layers=n_layers, form="diagonal")
        return randomised(learner, seed=9).answers(prompts_of())

    torch.testing.assert_close(answers("prefix", 1), answers("causal", 1))
    assert not torch.allclose(answers("prefix", 2), answers("causal", 2))


def test_one_full_layer_with_the_optimal_weights_is_linear_self_attention() -> None:
    training = replace(LAW, sizes=Sizes((6,))).add("covariates", Spectrum(1.0, None))
    closed_form = loading.build("models", "linear_self_attention", {"weights": "optimal"}).bind(training)
    learner = built("linear_transformer", n_layers=1).double()
    (step,) = learner.steps  # type: ignore[misc, union-attr]
    with torch.no_grad():
        step.value.zero_()[0, -1, -1] = -1.0  # answers are minus the last coordinate
        step.key_query.zero_()[0, :D, :D] = closed_form.matrix.mT
    prompts = prompts_of()
    torch.testing.assert_close(learner.answers(prompts)[..., 0], closed_form.predict(prompts).mean)


@pytest.mark.parametrize("gamma", [0.0, 0.15])
def test_gd_plus_plus_takes_gradient_steps_on_transformed_data(gamma: float) -> None:
    rates = (0.3, 0.2, 0.4)
    learner = built("linear_transformer", form="gd++").double()
    with torch.no_grad():
        for step, rate in zip(learner.steps, rates, strict=True):  # type: ignore[union-attr, arg-type]
            step.from_x.copy_(torch.tensor([-gamma, -rate], dtype=torch.float64))

    def descent(x: Tensor, y: Tensor, query: Tensor) -> Tensor:
        prediction = torch.zeros(()).double()
        for rate in rates:
            if len(x) == 0:
                break
            w = rate * x.T @ y / len(x)  # a step from w = 0 on what is left of the labels
            transform = torch.eye(D) - gamma * x.T @ x / len(x)
            prediction, y = prediction + query @ w, y - x @ w
            x, query = x @ transform, transform @ query
        return prediction

    prompts = prompts_of()
    torch.testing.assert_close(learner.answers(prompts)[..., 0], one_by_one(prompts, descent))
    same_rate = [0.3] * 3
    with torch.no_grad():
        for step, rate in zip(learner.steps, same_rate, strict=True):  # type: ignore[union-attr, arg-type]
            step.from_x.copy_(torch.tensor([0.0, -rate], dtype=torch.float64))
    descent_model = loading.build("models", "gradient_descent", {"n_steps": 3, "learning_rate": 0.3})
    torch.testing.assert_close(learner.answers(prompts)[..., 0], descent_model.predict(prompts).mean)


@pytest.mark.parametrize("attention", ["prefix", "causal"])
@pytest.mark.parametrize("form", FORMS)
def test_linear_transformers_learn(form: str, attention: str) -> None:
    """A few steps of Adam from the initial weights: the loss falls well below that of predicting zero."""
    learner = built("linear_transformer", attention=attention, **FORMS[form])
    draw = replace(LAW, sizes=Sizes((2, 6, 12))).draw(Streams(3, 0))
    prompts, f = draw.prompts.select(slice(0, 96)).to("cpu", torch.float32), draw.targets.query_f[:96].float()
    optimiser = torch.optim.Adam(learner.parameters(), lr=0.02)
    for _ in range(80):
        optimiser.zero_grad()
        loss = learner.head.loss(learner.answers(prompts), f).mean()
        loss.backward()
        assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in learner.parameters())
        optimiser.step()
    assert float(loss.detach()) < 0.6 * float(f.square().mean())


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("linear_transformer", {"n_layers": 0}, "at least 1 layer"),
        ("linear_transformer", {"form": "gd++", "n_heads": 2}, "form = 'full' only"),
        ("linear_attention_layer", {"sigma": 0.0}, "positive"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(name: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(PluginError, match=said):
        loading.build("models", name, arguments)
