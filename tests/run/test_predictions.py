"""What an answer may hold beside its mean: std and quantiles are checked, moved and held to the contracts alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from icl_bench.contracts.models import model_violations, prediction_problem
from icl_bench.function_classes.linear import Linear
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.sizes import Sizes
from icl_bench.layers.heads import QUANTILES, make_head
from icl_bench.layers.learner import MICRO_BATCH, Learner
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.run.asking import Conditions, predict
from icl_bench.run.failures import Failure
from icl_bench.seeding import Streams

LAW = PromptLaw(Linear(3), GaussianNoise(0.25), Sizes((0, 1, 3, 5)))
LEVELS = (0.1, 0.5, 0.9)
DEVIATES = torch.tensor([-1.28, 0.0, 1.28], dtype=torch.float64)


def few(law: PromptLaw = LAW) -> PromptBatch:
    return law.draw(Streams(4, 0)).prompts.select(slice(0, 5))


def seen(prompts: PromptBatch) -> Tensor:
    """Return the mean square of the labels that each query may see, plus one: (prompt, query)."""
    sizes = torch.tensor(prompts.context_sizes)
    kept = torch.arange(prompts.n_context)[None] < sizes[:, None]
    return (kept[None] * prompts.context_y[:, None].square()).sum(-1) + 1.0


def whole(prompts: PromptBatch) -> Prediction:
    """Return an honest answer with every part."""
    mean, std = prompts.query_x.sum(-1), seen(prompts).sqrt()
    return Prediction(mean, std, mean[..., None] + std[..., None] * DEVIATES, LEVELS)


@dataclass(frozen=True)
class Answering:
    """A model that answers with a function of the prompts."""

    answer: Callable[[PromptBatch], Any]

    def predict(self, prompts: PromptBatch) -> Prediction:
        answer: Prediction = self.answer(prompts)
        return answer


MALFORMED: dict[str, tuple[Callable[[Prediction], Prediction], str]] = {
    "std of another shape": (lambda p: replace(p, std=p.mean[:, 0]), "Prediction.std: expected shape (prompt, query)"),
    "std that is a number": (lambda p: replace(p, std=2.0), "Prediction.std: expected a tensor, got float"),
    "std of whole numbers": (lambda p: replace(p, std=torch.ones(5, 4).long()), "Prediction.std: expected a floating"),
    "negative std": (lambda p: replace(p, std=-p.std), "Prediction.std: expected no negative number"),
    "no levels": (lambda p: replace(p, levels=None), "Prediction.levels: missing"),
    "levels alone": (lambda p: replace(p, quantiles=None), "Prediction.levels: given without quantiles"),
    "levels that fall": (lambda p: replace(p, levels=(0.9, 0.5, 0.1)), "expected a tuple of increasing numbers"),
    "a level twice": (lambda p: replace(p, levels=(0.1, 0.1, 0.9)), "expected a tuple of increasing numbers"),
    "percentages": (lambda p: replace(p, levels=(10, 50, 90)), "between 0 and 1, got (10, 50, 90)"),
    "levels in a tensor": (lambda p: replace(p, levels=torch.tensor(LEVELS)), "expected a tuple"),
    "no level at all": (lambda p: replace(p, levels=(), quantiles=p.quantiles[..., :0]), "expected a tuple"),
    "a quantile too few": (
        lambda p: replace(p, quantiles=p.quantiles[..., :2]),
        "Prediction.quantiles: expected shape (prompt, query, level) = (5, 4, 3), got (5, 4, 2)",
    ),
    "quantiles that fall": (lambda p: replace(p, quantiles=p.quantiles.flip(-1)), "to increase with their levels"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_an_answer_of_the_wrong_form_is_refused_with_what_was_expected(name: str) -> None:
    change, said = MALFORMED[name]
    prompts = few()
    assert prediction_problem(whole(prompts), prompts) is None
    assert said in str(prediction_problem(change(whole(prompts)), prompts))
    with pytest.raises(Failure) as failure:
        predict(Answering(lambda batch: change(whole(batch))), prompts, Conditions())
    assert (failure.value.status, said in failure.value.message) == ("error", True)


def test_quantiles_that_cross_by_rounding_alone_are_in_order() -> None:
    prompts = few()
    flat = whole(prompts).mean[..., None].expand(-1, -1, 3)
    crossing = flat + torch.tensor([1e-12, 0.0, -1e-12], dtype=torch.float64)
    assert prediction_problem(replace(whole(prompts), quantiles=crossing), prompts) is None


def test_every_part_comes_back_on_the_cpu_in_float64_and_detached() -> None:
    def single(prompts: PromptBatch) -> Prediction:
        scale = torch.ones((), requires_grad=True)
        answer = whole(prompts)
        assert answer.std is not None
        assert answer.quantiles is not None
        with torch.enable_grad():
            return Prediction(
                answer.mean.float() * scale, answer.std.float() * scale, answer.quantiles.float() * scale, LEVELS
            )

    prediction, _ = predict(Answering(single), few(), Conditions())
    for part, tensor in prediction.parts().items():
        assert (tensor.dtype, tensor.device.type, tensor.requires_grad) == (torch.float64, "cpu", False), part
    assert list(prediction.parts()) == ["mean", "std", "quantiles"]
    assert prediction.levels == LEVELS


@pytest.mark.parametrize(
    ("part", "said"), [("std", "the answers' std is not finite in 1 of 5"), ("quantiles", "quantiles are not finite")]
)
def test_a_part_that_is_not_finite_is_no_answer(part: str, said: str) -> None:
    def wrong(prompts: PromptBatch) -> Prediction:
        answer = whole(prompts)
        answer.parts()[part][2, 1] = torch.nan
        return answer

    with pytest.raises(Failure) as failure:
        predict(Answering(wrong), few(), Conditions())
    assert failure.value.status == "nan"
    assert said in failure.value.message


def test_a_tensor_without_numbers_is_an_error_of_the_model() -> None:
    model = Answering(lambda prompts: Prediction(torch.empty(5, 4, dtype=torch.float64, device="meta")))
    with pytest.raises(Failure) as failure:
        predict(model, few(), Conditions())
    assert failure.value.status == "error"


def _scaled(answer: Prediction, part: str, factor: Tensor) -> Prediction:
    """Return the answer with one part wider: std times `factor` (prompt, query), quantiles spread by it."""
    assert answer.std is not None
    assert answer.quantiles is not None
    if part == "std":
        return replace(answer, std=answer.std * factor)
    return replace(
        answer, quantiles=answer.mean[..., None] + (answer.quantiles - answer.mean[..., None]) * factor[..., None]
    )


def _own_labels(prompts: PromptBatch) -> Tensor:
    rows = torch.tensor(prompts.context_sizes).clamp_max(prompts.n_context - 1)
    return prompts.context_y[:, rows].square() if prompts.next_example else torch.zeros_like(prompts.query_x[..., 0])


LEAKS: dict[str, tuple[Callable[[PromptBatch], Tensor], str]] = {
    "other queries": (lambda p: 1 + p.query_x.square().mean((1, 2))[:, None], "depends on other queries"),
    "later examples": (lambda p: 1 + p.context_y.square().sum(1, keepdim=True), "depends on examples after its first"),
    "own label": (lambda p: 1 + _own_labels(p), "depends on labels after its first"),
    "other prompts": (lambda p: 1 + p.context_y.square().mean(), "batched differently"),
    "chance": (lambda p: 1 + torch.rand(1).double(), "two calls on the same prompts differ"),
    "the form of the prompts": (lambda p: torch.tensor(1.0 + p.next_example), "when next_example is False"),
}


@pytest.mark.parametrize("part", ["std", "quantiles"])
@pytest.mark.parametrize("leak", LEAKS)
def test_no_part_of_an_answer_may_know_what_the_mean_may_not(part: str, leak: str) -> None:
    factor, said = LEAKS[leak]

    def leaky(prompts: PromptBatch) -> Prediction:
        answer = whole(prompts)
        return _scaled(answer, part, factor(prompts) * torch.ones_like(answer.mean))

    assert list(model_violations(Answering(whole), few())) == []
    found = list(model_violations(Answering(leaky), few()))
    assert any(broken.startswith(f"{part}: ") and said in broken for broken in found), found
    assert all(broken.startswith(f"{part}: ") for broken in found)  # the mean is honest


def test_a_part_that_comes_and_goes_is_told() -> None:
    def fickle(prompts: PromptBatch) -> Prediction:
        return whole(prompts) if prompts.n_prompts > 1 else Prediction(whole(prompts).mean)

    assert any("std: " in broken and "batched" in broken for broken in model_violations(Answering(fickle), few()))


class _Barred(Learner):
    """Bars that follow the query alone, in more micro-batches than one."""

    def __init__(self) -> None:
        super().__init__()
        self.head = make_head("bar", 3)
        self.weights = torch.nn.Parameter(torch.linspace(-1, 1, self.head.n_outputs, dtype=torch.float64))

    def forward(self, prompts: PromptBatch) -> Tensor:
        return prompts.query_x.sum(-1, keepdim=True) * self.weights


def test_a_learner_joins_its_micro_batches_and_keeps_the_levels() -> None:
    prompts = LAW.draw(Streams(4, 0)).prompts.select(slice(0, MICRO_BATCH + 3))
    answer = _Barred().predict(prompts)
    assert answer.levels == QUANTILES
    assert answer.quantiles is not None
    assert answer.quantiles.shape == (MICRO_BATCH + 3, 4, len(QUANTILES))
    assert prediction_problem(answer, prompts) is None
