"""Linear recurrences: the chunked forms equal one token at a time, and packed queries equal one pass a context size."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, TypeVar

import pytest
import torch
from torch import Tensor

from icl_bench.layers import delta_rule, linear_recurrence
from icl_bench.layers.convolution import ShortConvolution
from icl_bench.layers.delta_rule import DeltaSteps
from icl_bench.layers.layout import Layout, sequence_of
from icl_bench.layers.learner import SequenceLearner
from icl_bench.layers.linear_recurrence import Steps
from icl_bench.models.networks.deltanet import DeltaNetMixer, unit
from icl_bench.models.networks.hedgehog import HedgehogMixer, SoftmaxFeatures
from icl_bench.models.networks.mixture_of_memories import MixtureOfMemoriesMixer
from icl_bench.plugins import loading
from icl_bench.prompts import PromptBatch

LENGTHS = (1, 2, 7, 8, 50, 64, 65, 129, 200)
ARCHITECTURES: list[tuple[str, dict[str, Any]]] = [
    ("deltanet", {}),
    ("deltanet", {"eigenvalues": "-1to1", "convolution": 4}),
    ("transnormer", {}),
    ("transnormer", {"gate": False, "n_layers": 1, "positions": "none"}),
    ("hedgehog", {}),
    ("hedgehog", {"positions": "none"}),
    ("gated_linear_attention", {}),
    ("gated_linear_attention", {"gate": "pooled_keys"}),
    ("mixture_of_memories", {}),
    ("mixture_of_memories", {"n_active": 1, "shared_memory": False, "convolution": 0}),
]
Kind = TypeVar("Kind", Steps, DeltaSteps)
NAMES = sorted({name for name, _ in ARCHITECTURES})


def naive_recurrence(steps: Steps) -> Tensor:
    """S_t = diag(alpha_t) S_{t-1} + k_t v_t^T and o_t = S_t^T q_t, one token at a time."""
    prompts, heads, length, channels = steps.key.shape
    state = steps.key.new_zeros(prompts, heads, channels, steps.value.shape[-1])
    read = []
    for t in range(length):
        if steps.log_decay is not None:
            state = state * steps.log_decay[:, :, t, :, None].exp()
        state = state + steps.key[:, :, t, :, None] * steps.value[:, :, t, None, :]
        read.append((state * steps.query[:, :, t, :, None]).sum(dim=2))
    return torch.stack(read, dim=2)


def naive_delta_rule(steps: DeltaSteps) -> Tensor:
    """S_t = S_{t-1} + beta_t k_t (v_t - S_{t-1}^T k_t)^T and o_t = S_t^T q_t, one token at a time."""
    prompts, heads, length, channels = steps.key.shape
    state = steps.key.new_zeros(prompts, heads, channels, steps.value.shape[-1])
    read = []
    for t in range(length):
        key = steps.key[:, :, t, :, None]
        missing = steps.value[:, :, t] - (state * key).sum(dim=2)
        state = state + steps.beta[:, :, t, :, None] * key * missing[:, :, None, :]
        read.append((state * steps.query[:, :, t, :, None]).sum(dim=2))
    return torch.stack(read, dim=2)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def steps_of(length: int, decay: str, seed: int = 0) -> Steps:
    log_decay = {
        "none": None,
        "fixed": torch.tensor([-0.06, -3.0], dtype=torch.float64)[None, :, None, None].expand(1, 2, length, 1),
        "head": -drawn(seed + 3, 3, 2, length, 1).square(),
        "channel": -drawn(seed + 3, 3, 2, length, 5).square(),
    }[decay]
    query, key, value = (drawn(seed + part, 3, 2, length, size) for part, size in enumerate((5, 5, 4)))
    return Steps(query, key, value, log_decay)


def delta_steps_of(length: int, largest_beta: float = 2.0, seed: int = 0) -> DeltaSteps:
    query, key, value, beta = (drawn(seed + part, 3, 2, length, size) for part, size in enumerate((5, 5, 4, 1)))
    return DeltaSteps(unit(query), unit(key), value, largest_beta * beta.sigmoid())


def tensors_of(steps: Steps | DeltaSteps) -> dict[str, Tensor]:
    held = {name: getattr(steps, name) for name in steps.__slots__}
    return {name: value for name, value in held.items() if value is not None}


def close(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and torch.allclose(first, second, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("decay", ["none", "fixed", "head", "channel"])
def test_the_chunked_recurrence_equals_one_token_at_a_time(decay: str) -> None:
    for length in LENGTHS:
        steps = steps_of(length, decay)
        assert close(linear_recurrence.read_along(steps), naive_recurrence(steps)), length


def test_the_chunked_delta_rule_equals_one_token_at_a_time() -> None:
    for length in LENGTHS:
        steps = delta_steps_of(length)
        assert close(delta_rule.corrected_along(steps), naive_delta_rule(steps)), length


@pytest.mark.parametrize("decay", ["none", "fixed", "head", "channel"])
@pytest.mark.parametrize("length", [1, 11, 70])
def test_gradients_equal_those_of_one_token_at_a_time(decay: str, length: int) -> None:
    steps = steps_of(length, decay)
    held = {name: value.clone().requires_grad_() for name, value in tensors_of(steps).items()}
    steps = replace(steps, **held)
    weights = drawn(9, 3, 2, length, 4)
    chunked = torch.autograd.grad((linear_recurrence.read_along(steps) * weights).sum(), list(held.values()))
    naive = torch.autograd.grad((naive_recurrence(steps) * weights).sum(), list(held.values()))
    assert all(close(one, other) for one, other in zip(chunked, naive, strict=True))


@pytest.mark.parametrize("length", [1, 11, 70])
def test_gradients_of_the_delta_rule_equal_those_of_one_token_at_a_time(length: int) -> None:
    steps = delta_steps_of(length)
    held = {name: value.clone().requires_grad_() for name, value in tensors_of(steps).items()}
    steps = replace(steps, **held)
    weights = drawn(9, 3, 2, length, 4)
    chunked = torch.autograd.grad((delta_rule.corrected_along(steps) * weights).sum(), list(held.values()))
    naive = torch.autograd.grad((naive_delta_rule(steps) * weights).sum(), list(held.values()))
    assert all(close(one, other) for one, other in zip(chunked, naive, strict=True))


@pytest.mark.parametrize("decay", ["none", "fixed", "channel"])
def test_packed_queries_of_a_recurrence_read_their_own_prefix(decay: str) -> None:
    seen = [70, 0, 3, 3, 64, 69]
    tokens, queries = steps_of(70, decay), steps_of(len(seen), decay, seed=20)
    mixed, answers = linear_recurrence.recurrence(tokens, queries, torch.tensor(seen))
    assert answers is not None
    assert close(mixed, naive_recurrence(tokens))
    for place, size in enumerate(seen):
        assert close(answers[:, :, place], naive_recurrence(prefix(tokens, queries, place, size))[:, :, -1])


def test_packed_queries_of_the_delta_rule_read_their_own_prefix() -> None:
    seen = [70, 0, 3, 3, 64, 69]
    tokens, queries = delta_steps_of(70), delta_steps_of(len(seen), seed=20)
    mixed, answers = delta_rule.delta_rule(tokens, queries, torch.tensor(seen))
    assert answers is not None
    assert close(mixed, naive_delta_rule(tokens))
    for place, size in enumerate(seen):
        assert close(answers[:, :, place], naive_delta_rule(prefix(tokens, queries, place, size))[:, :, -1])


def prefix(tokens: Kind, queries: Kind, place: int, size: int) -> Kind:
    """The first `size` tokens and the query at `place` behind them."""
    own = tensors_of(queries)
    return replace(
        tokens,
        **{
            name: torch.cat([value[:, :, :size], own[name][:, :, place : place + 1]], dim=2)
            for name, value in tensors_of(tokens).items()
        },
    )


def test_strong_decay_stays_finite_and_right_in_single_precision() -> None:
    exact = replace(steps_of(130, "channel"), log_decay=-60.0 * drawn(5, 3, 2, 130, 5).square())
    held = {name: value.float().requires_grad_() for name, value in tensors_of(exact).items()}
    read = linear_recurrence.read_along(Steps(**held))
    # Logarithms add up to about -4,000 in a chunk, which single precision holds to 2e-4.
    assert torch.allclose(read.double(), naive_recurrence(exact), rtol=5e-3, atol=5e-3)
    assert all(bool(part.isfinite().all()) for part in torch.autograd.grad(read.square().sum(), list(held.values())))


def test_the_delta_rule_recalls_orthonormal_keys_exactly() -> None:
    keys = torch.linalg.qr(drawn(1, 2, 1, 16, 16)).Q  # (prompt, head, token, key), orthonormal rows
    values, ones = drawn(2, 2, 1, 16, 4), torch.ones(2, 1, 16, 1, dtype=torch.float64)
    asked = DeltaSteps(keys.flip(2), torch.zeros_like(keys), torch.zeros_like(values), 0 * ones)
    _, recalled = delta_rule.delta_rule(DeltaSteps(keys, keys, values, ones), asked, torch.full((16,), 16))
    assert recalled is not None
    assert close(recalled, values.flip(2))
    rewritten = torch.cat([values, values + 1.0], dim=2)  # the same keys again, with other values
    again = DeltaSteps(keys.repeat(1, 1, 2, 1), keys.repeat(1, 1, 2, 1), rewritten, ones.repeat(1, 1, 2, 1))
    assert close(delta_rule.corrected_along(again)[:, :, 16:], values + 1.0)


@pytest.mark.parametrize(("eigenvalues", "low"), [("0to1", 0.0), ("-1to1", -1.0)])
def test_transitions_of_deltanet_have_the_promised_eigenvalues(eigenvalues: Any, low: float) -> None:
    mixer = shaken(DeltaNetMixer(16, 2, eigenvalues, 0), 3.0)
    tokens = 3.0 * drawn(3, 2, 30, 16)
    with torch.no_grad():
        steps = mixer._steps(mixer.project_in(tokens), tokens)
    outer = steps.key[..., :, None] * steps.key[..., None, :]
    along = torch.linalg.eigvalsh(torch.eye(8) - steps.beta[..., None] * outer)
    assert float(along.min()) >= low - 1e-9
    assert float(along.min()) < low + 0.05
    assert float(along.max()) <= 1.0 + 1e-9


def shaken(network: Any, size: float = 0.3, seed: int = 7) -> Any:
    """The network in float64, its weights moved so far that every part of it matters."""
    network = network.double()
    for place, parameter in enumerate(network.parameters()):
        parameter.data += size * drawn(seed + place, *parameter.shape)
    return network


def learner(name: str, arguments: dict[str, Any], layout: Layout = "interleaved") -> SequenceLearner:
    built: SequenceLearner = loading.build("models", name, {**arguments, "layout": layout}).initial(3)
    return built


@pytest.mark.parametrize("layout", ["interleaved", "paired"])
@pytest.mark.parametrize(("name", "arguments"), ARCHITECTURES)
def test_packed_queries_equal_one_pass_a_context_size(name: str, arguments: dict[str, Any], layout: Layout) -> None:
    network = shaken(learner(name, arguments, layout))
    sizes = (36, 0, 1, 1, 5, 32, 33)
    prompts = PromptBatch(drawn(1, 2, 36, 3), drawn(2, 2, 36), drawn(3, 2, len(sizes), 3), sizes, next_example=False)
    sequence = sequence_of(prompts, layout)
    assert sequence.queries is not None
    with torch.no_grad():
        packed = network.decoder(sequence.tokens, sequence.queries, sequence.seen)
        for place, seen in enumerate(sequence.seen.tolist()):
            alone = torch.cat([sequence.tokens[:, :seen], sequence.queries[:, place : place + 1]], dim=1)
            assert close(packed[:, place], network.decoder(alone, None, torch.tensor([alone.shape[1] - 1]))[:, 0]), (
                place,
                seen,
            )


@pytest.mark.parametrize(("name", "arguments"), ARCHITECTURES)
def test_without_any_context_every_query_is_answered_alone(name: str, arguments: dict[str, Any]) -> None:
    network = learner(name, arguments)
    prompts = PromptBatch(torch.zeros(2, 0, 3), torch.zeros(2, 0), drawn(1, 2, 4, 3).float(), (0,) * 4, False)
    answers = network.predict(prompts).mean
    assert bool(answers.isfinite().all())
    alone = network.predict(replace(prompts, query_x=prompts.query_x[:, 2:3], context_sizes=(0,))).mean
    assert torch.allclose(answers[:, 2:3], alone, atol=1e-6)


@pytest.mark.parametrize(("name", "arguments"), ARCHITECTURES)
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_gradients_are_finite(name: str, arguments: dict[str, Any], scale: float) -> None:
    network = learner(name, arguments)
    x, y = scale * drawn(1, 3, 9, 3).float(), scale * drawn(2, 3, 9).float()
    outputs = network(PromptBatch(x, y, x.clone(), tuple(range(9)), next_example=True))
    network.head.loss(outputs, y / max(scale, 1.0)).mean().backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(gradient is not None and bool(gradient.isfinite().all()) for gradient in gradients)
    assert all(float(gradient.abs().max()) < 1e6 for gradient in gradients if gradient is not None)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_for_the_gradient_is_linear_in_the_length(name: str) -> None:
    network = loading.build("models", name, {"n_layers": 1}).initial(3)

    def kept(n_examples: int) -> int:
        numbers = 0

        def count(tensor: Tensor) -> Tensor:
            nonlocal numbers
            numbers += tensor.numel()
            return tensor

        x = torch.zeros(1, n_examples, 3)
        prompts = PromptBatch(x, x[..., 0], x[:, :3].clone(), (0, n_examples // 2, n_examples), next_example=False)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            network(prompts)
        return numbers

    assert kept(1024) < 4.3 * kept(256)


@pytest.mark.parametrize("name", NAMES)
def test_default_sizes_are_near_those_of_tiny_gpt2(name: str) -> None:
    network = loading.build("models", name, {}).initial(8)
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(150_000, rel=0.1)


@pytest.mark.parametrize(("memories", "active", "shared"), [(1, 1, False), (4, 2, True), (3, 1, False)])
def test_a_mixture_of_memories_equals_its_definition(memories: int, active: int, shared: bool) -> None:
    """For one memory the definition is plain linear attention."""
    mixer = shaken(MixtureOfMemoriesMixer(16, 2, memories, active, shared, convolution=0))
    tokens = drawn(1, 2, 20, 16)
    stores = memories + shared
    query, key, value = mixer.project_in(tokens).split([8, 8 * stores, 8 * stores], dim=-1)
    best = mixer.router(tokens).topk(active, dim=-1)
    query, key = torch.nn.functional.silu(query), torch.nn.functional.silu(key)
    state = torch.zeros(2, stores, 2, 4, 4, dtype=torch.float64)  # (prompt, store, head, key, value)
    read = []
    for t in range(20):
        weight = torch.zeros(2, stores, dtype=torch.float64)
        weight[:, memories:] = 1.0
        for rank in range(active):
            weight[torch.arange(2), best.indices[:, t, rank]] = best.values[:, t].softmax(dim=-1)[:, rank]
        k, v = key[:, t].reshape(2, stores, 2, 4), value[:, t].reshape(2, stores, 2, 4)
        state = state + (weight > 0)[..., None, None, None] * k[..., :, None] * v[..., None, :]
        mixed = (weight[..., None, None, None] * state).sum(dim=1)  # (prompt, head, key, value)
        read.append((mixed * query[:, t].reshape(2, 2, 4, 1)).sum(dim=2))
    expected = mixer.project_out(mixer.norm(torch.stack(read, dim=2)).transpose(1, 2).flatten(2))
    assert close(mixer(tokens, None, None)[0], expected)


def test_hedgehog_averages_values_with_positive_weights() -> None:
    features = SoftmaxFeatures(2, 8).double()(5.0 * drawn(1, 2, 2, 30, 8))
    assert bool((features > 0).all())
    assert close(features.sum(dim=-1), torch.full((2, 2, 30), 2.0, dtype=torch.float64))
    mixer = shaken(HedgehogMixer(16, 2, "rotary"))
    mixer.project_in.weight.data[32:] = 0.0  # every value is the bias
    expected = mixer.project_out(mixer.project_in.bias[32:]).expand(2, 30, 16)
    assert close(mixer(drawn(2, 2, 30, 16), None, None)[0], expected)


def test_transnormer_forgets_less_with_depth_and_not_at_all_in_the_last_layer() -> None:
    network = loading.build("models", "transnormer", {"n_layers": 3, "n_heads": 4}).initial(3)
    decays = torch.stack([block.mixer.log_decays.exp() for block in network.decoder.blocks])  # (layer, head)
    assert bool((decays[1:] > decays[:-1]).all())
    assert float(decays[0, 0]) == pytest.approx(math.exp(-(2.0**-2)))
    assert bool((decays[-1] == 1.0).all())


def test_the_gate_of_pooled_keys_has_no_weights() -> None:
    pooled = learner("gated_linear_attention", {"gate": "pooled_keys"}).state_dict()
    assert not [name for name in pooled if "forget" in name]


def test_the_short_convolution_equals_torch_and_answers_queries() -> None:
    convolution = shaken(ShortConvolution(6, 4))
    tokens, queries, seen = drawn(1, 2, 9, 6), drawn(2, 2, 4, 6), torch.tensor([9, 0, 2, 2])
    mixed, answers = convolution(tokens, queries, seen)
    padded = torch.nn.functional.pad(tokens.mT, (3, 0))
    assert close(mixed, torch.nn.functional.conv1d(padded, convolution.weight, convolution.bias, groups=6).mT)
    for place, size in enumerate(seen.tolist()):
        alone = torch.cat([tokens[:, :size], queries[:, place : place + 1]], dim=1)
        assert close(answers[:, place], convolution(alone)[0][:, -1])


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("deltanet", {"n_heads": 3}),
        ("transnormer", {"n_heads": 5}),
        ("transnormer", {"width": 6, "n_heads": 2}),
        ("hedgehog", {"width": 6, "n_heads": 2}),
        ("gated_linear_attention", {"width": 6, "n_heads": 2}),
        ("mixture_of_memories", {"n_active": 5}),
    ],
)
def test_sizes_that_do_not_fit_are_refused(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        loading.build("models", name, arguments).initial(3)
