"""Every trainable architecture is held to what it must do, unasked: found through the catalogue, none is named here.

Causality, batch independence and determinism are among the contracts of every model (`test_contracts.py`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from icl_bench.function_classes.linear import Linear
from icl_bench.laws.covariates.scaled import Scaled
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.query.row_wise import RowWise
from icl_bench.laws.sizes import Sizes
from icl_bench.layers.architecture import Architecture
from icl_bench.layers.heads import QUANTILES, make_head
from icl_bench.layers.learner import Learner
from icl_bench.plugins import catalogue, loading
from icl_bench.prompts import PromptBatch
from icl_bench.seeding import Streams

LAW = PromptLaw(Linear(3), GaussianNoise(0.25), Sizes((0, 1, 2, 3, 5, 8)))
SHIFTED = LAW.add("query", RowWise(Scaled(2.0)))
SEVERAL = replace(LAW, sizes=replace(LAW.sizes, queries_per_context=2))

ARCHITECTURES = [
    name
    for name in sorted(catalogue.entries("models"))
    if isinstance(cls := loading.plugin_class("models", name), type) and issubclass(cls, Architecture)
]


def drawn(law: PromptLaw, count: int = 4) -> PromptBatch:
    return law.draw(Streams(7, 0)).prompts.select(slice(0, count))


def network(name: str, **arguments: Any) -> Learner:
    """The architecture in float64 with its weights moved off the start, where many answers are nearly 0."""
    learner: Learner = loading.build("models", name, arguments).initial(3).double().eval()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return learner


def one_by_one(learner: Learner, prompts: PromptBatch) -> Tensor:
    """Answer each query from a prompt of its own that ends with it."""
    answers = []
    for query, size in enumerate(prompts.context_sizes):
        own = PromptBatch(
            context_x=prompts.context_x[:, :size],
            context_y=prompts.context_y[:, :size],
            query_x=prompts.query_x[:, query : query + 1],
            context_sizes=(size,),
            next_example=True,
        )
        answers.append(learner(own))
    return torch.cat(answers, dim=1)


def test_there_are_architectures() -> None:
    assert {"gpt2", "deltanet", "mamba", "lstm", "linear_transformer"} <= set(ARCHITECTURES)


@pytest.mark.parametrize("law", [LAW, SHIFTED, SEVERAL], ids=["next example", "shifted query", "several queries"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_one_pass_equals_one_pass_for_each_context_size(name: str, law: PromptLaw) -> None:
    learner, prompts = network(name), drawn(law)
    with torch.no_grad():
        together, apart = learner(prompts), one_by_one(learner, prompts)
    assert together.shape[:2] == (4, prompts.n_queries)
    torch.testing.assert_close(together, apart, rtol=1e-9, atol=1e-9)
    assert float(together[..., 0].std()) > 0


@pytest.mark.parametrize("positions", ["learned", "none", "rotary", "alibi"])
@pytest.mark.parametrize("layout", ["interleaved", "paired"])
def test_one_pass_equals_many_whatever_the_positions(positions: str, layout: str) -> None:
    learner, prompts = network("gpt2", positions=positions, layout=layout), drawn(SHIFTED)
    with torch.no_grad():
        torch.testing.assert_close(learner(prompts), one_by_one(learner, prompts), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_gradients_are_finite_and_reach_every_weight(name: str) -> None:
    learner = network(name).train()
    prompts = drawn(LAW, 16)
    target = torch.zeros(16, prompts.n_queries, dtype=torch.float64) + 1.0
    learner.head.loss(learner(prompts), target).mean().backward()
    for label, parameter in learner.named_parameters():
        assert parameter.grad is not None, label
        assert bool(parameter.grad.isfinite().all()), label
    reached = sum(float(parameter.grad.abs().sum()) > 0 for parameter in learner.parameters())  # type: ignore[union-attr]
    assert reached >= 0.8 * sum(1 for _ in learner.parameters())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_initial_weights_follow_from_the_seed_alone(name: str) -> None:
    before = torch.random.get_rng_state()

    def weights(seed: int) -> Tensor:
        learner = loading.build("models", name, {"seed": seed}).initial(3)
        return torch.cat([parameter.detach().flatten() for parameter in learner.parameters()])

    assert torch.equal(weights(3), weights(3))
    assert torch.equal(torch.random.get_rng_state(), before)
    if float(weights(3).std()) > 0 and name != "linear_attention_layer":  # whose start is prescribed
        assert not torch.equal(weights(3), weights(4))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_saved_state_is_loaded_to_the_bit(name: str) -> None:
    first, prompts = network(name), drawn(SHIFTED)
    second = loading.build("models", name, {"seed": 9}).initial(3).double().eval()
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.predict(prompts).mean, second.predict(prompts).mean)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_predictions_are_of_the_weights_number_type_and_leave_the_prompts_alone(name: str) -> None:
    learner = loading.build("models", name, {}).initial(3)
    prompts = drawn(LAW)
    untouched = prompts.select(slice(None))
    prediction = learner.predict(prompts)
    assert prediction.mean.dtype == next(learner.parameters()).dtype
    assert prompts.same_values(untouched)
    assert not prediction.mean.requires_grad


def test_prompts_longer_than_the_learned_positions_are_refused_with_the_remedy() -> None:
    learner = network("gpt2", n_positions=6)
    with pytest.raises(ValueError, match="n_positions"):
        learner(drawn(LAW))


@pytest.mark.parametrize("name", ["mean", "gaussian", "bar"])
def test_heads_learn_a_known_distribution(name: Any) -> None:
    """Fitted to draws of N(1, 0.5^2) with no network at all, a head gives back their mean and spread."""
    head = make_head(name, 4)
    labels = 1.0 + 0.5 * torch.randn(4096, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    outputs = torch.zeros(1, 1, head.n_outputs, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([outputs], lr=0.05)
    for _ in range(400):
        optimiser.zero_grad()
        head.loss(outputs.expand(4096, 1, -1), labels).mean().backward()
        optimiser.step()
    prediction = head.prediction(outputs.detach())
    assert float(prediction.mean) == pytest.approx(float(labels.mean()), abs=0.01)
    if prediction.std is not None:
        assert float(prediction.std) == pytest.approx(float(labels.std()), rel=0.08)
    if prediction.quantiles is not None:
        expected = torch.quantile(labels, torch.tensor(QUANTILES, dtype=torch.float64))
        torch.testing.assert_close(prediction.quantiles[0, 0], expected, atol=0.06, rtol=0)


def test_the_bar_heads_density_integrates_to_one() -> None:
    head = make_head("bar", 4)
    outputs = torch.randn(1, 1, head.n_outputs, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    grid = torch.linspace(-30, 30, 60_001, dtype=torch.float64)[None]
    density = (-head.loss(outputs.expand(1, grid.shape[1], -1), grid)).exp()
    assert float(torch.trapezoid(density, grid)) == pytest.approx(1.0, abs=1e-3)
    moment = float(torch.trapezoid(density * grid, grid))
    assert float(head.prediction(outputs).mean) == pytest.approx(moment, abs=1e-3)


def test_the_bar_heads_quantiles_are_those_of_its_density() -> None:
    head = make_head("bar", 4)
    outputs = 2 * torch.randn(1, 1, head.n_outputs, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    grid = torch.linspace(-30, 30, 60_001, dtype=torch.float64)[None]
    density = (-head.loss(outputs.expand(1, grid.shape[1], -1), grid)).exp()[0]
    below = torch.cumulative_trapezoid(density, grid[0])
    quantiles = head.prediction(outputs).quantiles
    assert quantiles is not None
    for level, value in zip(QUANTILES, quantiles[0, 0].tolist(), strict=True):
        assert float(below[int((grid[0] < value).sum()) - 2]) == pytest.approx(level, abs=4e-3)


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if hasattr(network(name), "tail_index")])
def test_a_stated_tail_is_that_of_answers_that_cannot_run_away(name: str) -> None:
    """Where every moment is said to exist whatever the noise, answers stay bounded however large the labels are."""
    learner, draw = network(name), LAW.draw(Streams(7, 0))
    parameters = replace(draw.parameters, noise_tail=3.0)
    tail = learner.tail_index(parameters, 8)  # type: ignore[operator]
    assert learner.tail_index(draw.parameters, 8) == float("inf")  # type: ignore[operator]
    prompts = draw.prompts.select(slice(0, 4))
    with torch.no_grad():
        answers = [learner(replace(prompts, context_y=prompts.context_y * scale)) for scale in (1e4, 1e8)]
    grows = float((answers[1] / answers[0])[:, -1].abs().median()) > 100
    assert grows == (tail is None or tail < float("inf"))
