"""State-space and recurrent networks: scans equal naive recurrences, queries equal one pass a context size."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from icl_bench.function_classes.linear import Linear
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.sizes import Sizes
from icl_bench.layers import selective_scan as scanning
from icl_bench.layers.diagonal_scan import CHUNK, diagonal_scan
from icl_bench.layers.recurrent_cells import GatedRecurrentUnit, LongShortTermMemory
from icl_bench.layers.selective_scan import Selected, selective_scan
from icl_bench.layers.stable_state_space import Reparameterisation, rates_of, weights_of
from icl_bench.plugins import loading
from icl_bench.plugins.arguments import argument_problems
from icl_bench.prompts import PromptBatch
from icl_bench.seeding import Streams

ARCHITECTURES = [
    ("mamba", {}),
    *(("stable_ssm", {"reparameterisation": name}) for name in get_args(Reparameterisation)),
    ("lstm", {}),
    ("gru", {}),
    ("hybrid", {}),
    ("hybrid", {"layers": ["stable_ssm", "attention", "gru", "lstm"], "hidden": 32}),
]
GPT2_TINY = 150_721  # weights at 8 dimensions, without its table of positions


def _normal(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.fixture(autouse=True)
def _own_random_numbers() -> object:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        yield


def _selected(length: int, n_prompts: int = 5, channels: int = 3, states: int = 2) -> Selected:
    steps = _normal(n_prompts, length, channels).exp()
    wide = [_normal(n_prompts, length, states) for _ in range(2)]
    return Selected(steps, _normal(n_prompts, length, channels), *wide)


def _naive(tokens: Selected, rates: Tensor, queries: Selected, seen: Tensor) -> tuple[Tensor, Tensor]:
    """The recurrence, written down token by token."""

    def step(told: Selected, place: int, state: Tensor) -> tuple[Tensor, Tensor]:
        steps, values, write, read = (part[:, place] for part in told)
        state = (steps[:, None] * rates).exp() * state + write[:, :, None] * (steps * values)[:, None]
        return state, torch.einsum("ps,psi->pi", read, state)

    states = [torch.zeros(len(tokens.steps), *rates.shape, dtype=rates.dtype)]
    said = [torch.zeros_like(tokens.steps[:, :0])]
    for place in range(tokens.steps.shape[1]):
        state, output = step(tokens, place, states[-1])
        states.append(state)
        said.append(output[:, None])
    answers = [step(queries, row, states[place])[1] for row, place in enumerate(seen.tolist())]
    return torch.cat(said, dim=1), torch.stack(answers, dim=1)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 4 tokens of 2 prompts at a time, so that few tokens pass every border."""
    monkeypatch.setattr(scanning, "CHUNK", 4)
    monkeypatch.setattr(scanning, "_NUMBERS", {"cpu": 2 * 5 * 6})


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 8, 14])
@pytest.mark.usefixtures("small_chunks")
def test_the_selective_scan_and_its_gradients_are_the_naive_recurrences(length: int) -> None:
    seen = torch.tensor([length, 0, length // 2, min(4, length), 0, length])
    rates = -_normal(2, 3).exp()
    tokens, queries = _selected(length), _selected(len(seen))
    inputs = [part.requires_grad_() for part in (*tokens, *queries, rates)]
    found, expected = selective_scan(tokens, rates, queries, seen), _naive(tokens, rates, queries, seen)
    weights = [_normal(*part.shape) for part in expected]
    gradients = []
    for pair in (found, expected):
        sums = [(part * weight).sum() for part, weight in zip(pair, weights, strict=True)]
        gradients.append(torch.autograd.grad(sums[0] + sums[1], inputs, materialize_grads=True))
    for ours, theirs in zip((*found, *gradients[0]), (*expected, *gradients[1]), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(selective_scan(tokens, rates, None, None)[0], expected[0], rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("small_chunks")
def test_the_selective_scans_own_gradient_is_that_of_finite_differences() -> None:
    tokens, queries, rates = _selected(5, 1, 2), _selected(3, 1, 2), -_normal(2, 2).exp()
    inputs = [part.requires_grad_() for part in (*tokens, *queries, rates)]

    def scan(*parts: Tensor) -> tuple[Tensor, Tensor | None]:
        return selective_scan(Selected(*parts[:4]), parts[8], Selected(*parts[4:8]), torch.tensor([4, 0, 5]))

    assert torch.autograd.gradcheck(scan, inputs)


@pytest.mark.parametrize("length", [scanning.CHUNK, 2 * scanning.CHUNK + 1])
def test_the_selective_scan_is_exact_at_its_own_chunk(length: int) -> None:
    tokens, queries, rates = _selected(length), _selected(2), -_normal(2, 3).exp()
    seen = torch.tensor([scanning.CHUNK, length])
    for ours, theirs in zip(
        selective_scan(tokens, rates, queries, seen), _naive(tokens, rates, queries, seen), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("length", [0, 1, 7, CHUNK, CHUNK + 1, 3 * CHUNK - 5])
def test_the_diagonal_scan_and_its_gradients_are_the_naive_recurrences(length: int) -> None:
    inputs, rates = _normal(2, length, 3).requires_grad_(), torch.tensor([-2.0, -1e-3, 0.01]).double().requires_grad_()
    states = [torch.zeros(2, 3).double()]
    for place in range(length):
        states.append(rates.exp() * states[-1] + inputs[:, place])
    expected, found = torch.stack(states, dim=1)[:, 1:], diagonal_scan(inputs, rates)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    weights = _normal(2, length, 3)
    for ours, theirs in zip(
        torch.autograd.grad((found * weights).sum() + rates.sum(), (inputs, rates), materialize_grads=True),
        torch.autograd.grad((expected * weights).sum() + rates.sum(), (inputs, rates), materialize_grads=True),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-7)


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["best", "exp", "softplus"]))
def test_eigenvalues_stay_stable_for_every_real_parameter(value: float, name: Reparameterisation) -> None:
    weight = torch.tensor([value], dtype=torch.float64, requires_grad=True)
    rate = rates_of(weight, name)
    decay = float(rate.detach().exp())
    assert 0.0 <= decay <= 1.0
    if abs(value) < 30:  # beyond, a decay rounds to 1 or to 0
        assert 0.0 < decay < 1.0
    if abs(value) > 1e100:  # twice this may be beyond all numbers
        return
    diagonal_scan(torch.ones(1, 3, 1, dtype=torch.float64), rate).sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert bool(weight.grad.isfinite().all())


@pytest.mark.parametrize("name", get_args(Reparameterisation))
def test_every_reparameterisation_can_begin_at_the_same_eigenvalues(name: Reparameterisation) -> None:
    rates = -torch.logspace(-3, 0, 7, dtype=torch.float64)
    torch.testing.assert_close(rates_of(weights_of(rates, name), name), rates)


def test_direct_eigenvalues_can_leave_the_stable_half() -> None:
    assert float(rates_of(torch.tensor([0.5]), "direct")) == 0.5


@pytest.mark.parametrize(("mixer", "layer"), [(LongShortTermMemory, nn.LSTM), (GatedRecurrentUnit, nn.GRU)])
def test_recurrent_mixers_are_torchs_own_layers(
    mixer: type[LongShortTermMemory | GatedRecurrentUnit], layer: type[nn.LSTM | nn.GRU]
) -> None:
    ours, theirs = mixer(6).double(), layer(6, 6, batch_first=True).double()
    theirs.load_state_dict(ours.cell.state_dict())
    tokens, queries = _normal(3, 9, 6), _normal(3, 4, 6)
    seen = torch.tensor([4, 0, 9, 4])
    mixed, answers = ours(tokens, queries, seen)
    torch.testing.assert_close(mixed, theirs(tokens)[0], rtol=1e-9, atol=1e-9)
    assert answers is not None
    for row, place in enumerate(seen.tolist()):
        alone = torch.cat([tokens[:, :place], queries[:, row : row + 1]], dim=1)
        torch.testing.assert_close(answers[:, row], theirs(alone)[0][:, -1], rtol=1e-9, atol=1e-9)


def _prompts(sizes: tuple[int, ...], n_dims: int = 3, n_prompts: int = 4) -> PromptBatch:
    """Prompts with a query of its own for each of `sizes`, in any order."""
    law = PromptLaw(Linear(n_dims), GaussianNoise(0.25), Sizes((max(sizes),), queries_per_context=len(sizes)))
    drawn = law.draw(Streams(3, 0)).prompts.select(slice(0, n_prompts))
    return replace(drawn, context_sizes=sizes, next_example=False)


@pytest.mark.parametrize("layout", ["interleaved", "paired"])
@pytest.mark.parametrize(("name", "arguments"), ARCHITECTURES)
@pytest.mark.usefixtures("small_chunks")
def test_queries_are_answered_as_in_one_pass_per_context_size(
    name: str, arguments: dict[str, object], layout: str
) -> None:
    architecture = loading.build("models", name, {**arguments, "width": 8, "layout": layout})
    learner, prompts = architecture.initial(3).double(), _prompts((0, 7, 3, 3, 5))
    together = learner(prompts)
    for row, size in enumerate(prompts.context_sizes):
        alone = replace(
            prompts,
            context_x=prompts.context_x[:, :size],
            context_y=prompts.context_y[:, :size],
            query_x=prompts.query_x[:, row : row + 1],
            context_sizes=(size,),
            next_example=layout == "interleaved",
        )
        torch.testing.assert_close(learner(alone)[:, 0], together[:, row], rtol=1e-9, atol=1e-9)
    together.square().sum().backward()
    for key, weight in learner.named_parameters():
        assert weight.grad is not None, key
        assert bool(weight.grad.isfinite().all()), key


@pytest.mark.parametrize("name", ["mamba", "stable_ssm", "lstm", "gru", "hybrid"])
def test_default_sizes_are_that_of_gpt2_tiny(name: str) -> None:
    learner = loading.build("models", name, {}).initial(8)
    assert sum(weight.numel() for weight in learner.parameters()) == pytest.approx(GPT2_TINY, rel=0.1)


def test_mamba_begins_as_published() -> None:
    mixer = loading.build("models", "mamba", {}).initial(8).decoder.blocks[0].mixer
    torch.testing.assert_close(mixer.log_rates.exp()[:, 7], torch.arange(1.0, 17.0))
    steps = nn.functional.softplus(mixer.project_step.bias.detach())
    assert 1e-3 * (1 - 1e-4) <= float(steps.min()) < 5e-3 < 2e-2 < float(steps.max()) <= 0.1 * (1 + 1e-4)


def test_a_hybrid_has_the_layers_it_is_told_and_refuses_others() -> None:
    problems = argument_problems(loading.plugin_class("models", "hybrid"), {"layers": ["mamba", "mambo"]})
    assert len(problems) == 1
    assert "layers" in problems[0]
    with pytest.raises(ValueError, match="at least one mixer"):
        loading.plugin_class("models", "hybrid")(layers=[])
    listed, known = (loading.build("models", "hybrid", {"layers": form(["gru"])}) for form in (list, tuple))
    assert hash(listed) == hash(known)
    learner = loading.build("models", "hybrid", {"layers": ["attention", "gru"], "width": 8}).initial(3)
    assert [type(block.mixer).__name__ for block in learner.decoder.blocks] == ["CausalAttention", "GatedRecurrentUnit"]
