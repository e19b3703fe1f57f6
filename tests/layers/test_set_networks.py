"""GPICL, the set MLP and the copy-and-match circuit: one pass is what each context size gives apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from icl_bench.errors import PluginError
from icl_bench.function_classes.linear import Linear
from icl_bench.laws.covariates.scaled import Scaled
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.query.row_wise import RowWise
from icl_bench.laws.sizes import Sizes
from icl_bench.layers.layout import sequence_of
from icl_bench.layers.learner import Learner
from icl_bench.layers.matching import Matching
from icl_bench.plugins import loading
from icl_bench.prompts import PromptBatch
from icl_bench.seeding import Streams

D = 4
LAW = PromptLaw(Linear(D), GaussianNoise(0.3), Sizes((0, 1, 2, 3, 5, 8)))
SHIFTED_QUERIES = LAW.add("query", RowWise(Scaled(2.0)))
SEVERAL_QUERIES = replace(LAW, sizes=replace(LAW.sizes, queries_per_context=2))
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpicl": ("gpicl", {}),
    "gpicl rotary": ("gpicl", {"positions": "rotary", "n_layers": 2}),
    "gpicl alibi, gaussian": ("gpicl", {"positions": "alibi", "head": "gaussian"}),
    "set_mlp": ("set_mlp", {}),
    "set_mlp, bar": ("set_mlp", {"head": "bar", "n_hidden": 1}),
    "copy_match": ("copy_match", {}),
    "copy_match rotary": ("copy_match", {"positions": "rotary"}),
    "copy_match given": ("copy_match", {"copying": "given"}),
    "linear_attention_layer": ("linear_attention_layer", {"start": "random"}),
    "linear_attention_layer full": ("linear_attention_layer", {"blocks": "full"}),
    "linear_transformer": ("linear_transformer", {"n_heads": 2}),
    "linear_transformer causal": ("linear_transformer", {"attention": "causal"}),
    "linear_transformer diagonal": ("linear_transformer", {"form": "diagonal"}),
    "linear_transformer gd++": ("linear_transformer", {"form": "gd++", "attention": "causal"}),
}


def built(name: str, **arguments: Any) -> Learner:
    """The network at random weights away from its small initial ones, in float64."""
    kind, fixed = NETWORKS.get(name, (name, {}))
    learner: Learner = loading.build("models", kind, {**fixed, **arguments}).initial(D).double()
    with torch.no_grad():
        for place, parameter in enumerate(learner.parameters()):
            generator = torch.Generator().manual_seed(place)
            parameter.add_(0.2 * torch.randn(parameter.shape, dtype=torch.float64, generator=generator))
    return learner


def prompts_of(law: PromptLaw = LAW) -> PromptBatch:
    return law.draw(Streams(0, 0)).prompts.select(slice(0, 3))


def only(prompts: PromptBatch, query: int) -> PromptBatch:
    """The same prompts, cut to what query `query` may see, and asked that query alone."""
    size = prompts.context_sizes[query]
    x, y = prompts.context_x[:, :size], prompts.context_y[:, :size]
    return PromptBatch(x, y, prompts.query_x[:, query : query + 1], (size,), next_example=True)


@pytest.mark.parametrize("law", [LAW, SHIFTED_QUERIES, SEVERAL_QUERIES], ids=["next", "shifted", "several"])
@pytest.mark.parametrize("name", NETWORKS)
def test_one_pass_answers_as_one_pass_for_each_query(name: str, law: PromptLaw) -> None:
    learner, prompts = built(name), prompts_of(law)
    together = learner.answers(prompts)
    apart = torch.cat([learner.answers(only(prompts, query)) for query in range(prompts.n_queries)], dim=1)
    assert together.shape == (3, prompts.n_queries, learner.head.n_outputs)
    torch.testing.assert_close(together, apart, atol=1e-9, rtol=1e-9)
    assert not torch.allclose(together[:, 0], together[:, -1])


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_finite_and_reach_every_part(name: str) -> None:
    """In float32, with a query after 0 examples in the batch."""
    draw = LAW.draw(Streams(0, 0))
    learner, prompts = built(name).float(), draw.prompts.select(slice(0, 16)).to("cpu", torch.float32)
    labels = draw.targets.query_y[:16].float()
    learner.head.loss(learner.answers(prompts), labels).mean().backward()
    for parameter_name, parameter in learner.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert bool(parameter.grad.isfinite().all()), parameter_name
        assert bool(parameter.grad.any()), parameter_name


@pytest.mark.parametrize(
    ("name", "a_set"),
    [
        ("set_mlp", True),
        ("copy_match given", True),
        ("linear_transformer", True),
        ("linear_transformer causal", False),
        ("copy_match", False),
        ("gpicl", False),
    ],
)
def test_whether_the_order_of_the_examples_matters(name: str, a_set: bool) -> None:
    learner, prompts = built(name), prompts_of(SHIFTED_QUERIES)
    asked = only(prompts, prompts.n_queries - 1)
    turned = replace(asked, context_x=asked.context_x.flip(1), context_y=asked.context_y.flip(1))
    assert torch.allclose(learner.answers(asked), learner.answers(turned), atol=1e-10) == a_set


def test_a_set_mlp_is_a_function_of_means_only() -> None:
    """Every example twice leaves it as it was."""
    learner, prompts = built("set_mlp"), prompts_of(SHIFTED_QUERIES)
    asked = only(prompts, prompts.n_queries - 1)
    twice = PromptBatch(
        asked.context_x.repeat(1, 2, 1), asked.context_y.repeat(1, 2), asked.query_x, (16,), next_example=False
    )
    torch.testing.assert_close(learner.answers(twice), learner.answers(asked))


def naive_set_mlp(learner: Learner, x: Tensor, y: Tensor, query: Tensor) -> Tensor:
    embed, answer = learner.embed, learner.answer
    assert callable(embed)
    assert callable(answer)
    total = torch.zeros(64).double()
    for row, label in zip(x, y, strict=True):
        total = total + embed(torch.cat([row, label[None]])) / len(x)
    outputs: Tensor = answer(torch.cat([total, query]))
    return outputs


def test_the_set_mlp_is_its_formula() -> None:
    learner, prompts = built("set_mlp"), prompts_of()
    answers = learner.answers(prompts)
    for query, size in enumerate(prompts.context_sizes):
        x, y = prompts.context_x[1, :size], prompts.context_y[1, :size]
        torch.testing.assert_close(answers[1, query], naive_set_mlp(learner, x, y, prompts.query_x[1, query]))


def test_shifted_tokens_hold_the_label_before() -> None:
    prompts = prompts_of()
    sequence = sequence_of(prompts, "shifted")
    assert sequence.queries is None
    x, y = prompts.context_x, prompts.context_y
    assert sequence.tokens.shape == (3, 9, D + 1)
    assert torch.equal(sequence.tokens[:, :8, :-1], x)
    assert not sequence.tokens[:, 0, -1].any()
    assert torch.equal(sequence.tokens[:, 1:, -1], y)
    assert torch.equal(sequence.tokens[:, -1, :-1], prompts.query_x[:, -1])
    apart = sequence_of(prompts_of(SHIFTED_QUERIES), "shifted")
    assert apart.queries is not None
    assert apart.tokens.shape == (3, 8, D + 1)
    assert torch.equal(apart.seen, torch.tensor([0, 1, 2, 3, 5, 8]))
    assert not apart.queries[:, 0, -1].any()
    assert torch.equal(apart.queries[:, 4, -1], y[:, 4])  # after 5 examples, the fifth label


def test_matching_is_kernel_regression() -> None:
    learner, prompts = built("copy_match given"), prompts_of()
    assert isinstance(learner, Matching)
    answers = learner.answers(prompts)[..., 0]
    for query, size in enumerate(prompts.context_sizes):
        x, y = prompts.context_x[2, :size], prompts.context_y[2, :size]
        expected = torch.zeros(()).double()
        for head, weight in enumerate(learner.copy):
            rows = slice(head * learner.width, (head + 1) * learner.width)
            asked = learner.query.weight[rows] @ prompts.query_x[2, query]
            kernel = (x @ learner.key.weight[rows].T @ asked / learner.width**0.5).exp()
            expected = expected + (weight * (kernel @ y) / kernel.sum() if size else 0.0)
        torch.testing.assert_close(answers[2, query], expected)


def test_a_sharp_match_copies_the_label_of_a_repeated_input() -> None:
    """What the circuit is for."""
    learner = built("copy_match given", n_heads=1, width=D)
    assert isinstance(learner, Matching)
    with torch.no_grad():
        learner.query.weight.copy_(100.0 * torch.eye(D))
        learner.key.weight.copy_(100.0 * torch.eye(D))
        learner.copy.fill_(1.0)
    prompts = prompts_of()
    x = torch.nn.functional.normalize(prompts.context_x, dim=-1)
    repeated = PromptBatch(x, prompts.context_y, x[:, [1, 6, 0]], (8, 8, 1), next_example=False)
    torch.testing.assert_close(learner.answers(repeated)[..., 0], prompts.context_y[:, [1, 6, 0]])


def test_the_learned_circuit_has_two_layers_of_attention_and_nothing_else() -> None:
    learner = built("copy_match")
    names = [name for name, _ in learner.named_parameters()]
    assert len({name.split(".")[2] for name in names if name.startswith("decoder.blocks.")}) == 2
    assert not any("feed_forward" in name for name in names)


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("set_mlp", {"n_hidden": 0}, "n_hidden of at least 1"),
        ("copy_match", {"width": 10, "n_heads": 3}, "divisor of the width"),
        ("copy_match", {"copying": "maybe"}, "copying"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(name: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(PluginError, match=said):
        loading.build("models", name, arguments)
