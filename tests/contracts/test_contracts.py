"""Every plugin of the catalogue is held to its contracts, unasked; and plugins that break one are caught.

The checks live in `icl_bench.contracts.models`: nothing here is written for a particular model or scenario.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from icl_bench.assembly.plugins import bound
from icl_bench.contracts.metrics import metric_violations
from icl_bench.contracts.models import model_violations, scenario_violations
from icl_bench.function_classes.linear import Linear
from icl_bench.laws.covariates.displaced import Displaced
from icl_bench.laws.covariates.scaled import Scaled
from icl_bench.laws.draws import Draws
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.query.row_wise import RowWise
from icl_bench.laws.sizes import PromptRows, Sizes
from icl_bench.plugins import catalogue, loading
from icl_bench.plugins.protocols import Answer, Model, Scenario
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.run.block import with_bayes
from icl_bench.seeding import Streams
from tests.catalogue_laws import carrier
from tests.command import ROOT

LAW = PromptLaw(Linear(4), GaussianNoise(0.25), Sizes((0, 1, 2, 3, 4, 5, 7, 9)))
TRAINING = replace(LAW, sizes=Sizes((8,)))
ARGUMENTS: dict[str, dict[str, object]] = {
    "agreement": {"reference": "ols"},
    "checkpoint": {"path": str(ROOT / "tests" / "data" / "garg_checkpoint")},
    "pinball": {"level": 0.9},
    "sklearn": {"estimator": "sklearn.linear_model.Ridge"},
}
"""Arguments without which a catalogue entry cannot be built."""


def batches() -> Iterator[PromptBatch]:
    """One-pass prompts, several queries a size, and shifted queries."""
    for law in (
        LAW,
        replace(LAW, sizes=replace(LAW.sizes, queries_per_context=2)),
        LAW.add("query", RowWise(Scaled(2.0))),
    ):
        yield law.draw(Streams(11, 0)).prompts.select(slice(0, 5))


def violations(model: Model) -> list[str]:
    """All contracts that a model breaks on any kind of prompts."""
    ready = bound(model, TRAINING, LAW)
    return [broken for batch in batches() for broken in model_violations(ready, batch)]


@pytest.mark.parametrize("name", sorted(catalogue.entries("models")))
def test_every_model_keeps_its_contracts(name: str) -> None:
    assert violations(loading.build("models", name, ARGUMENTS.get(name, {}))) == []


@pytest.mark.parametrize("name", sorted(catalogue.entries("scenarios")))
def test_every_scenario_keeps_its_contracts(name: str) -> None:
    law = carrier(name, LAW.n_dims, LAW.sizes.context_sizes)
    assert list(scenario_violations(loading.build("scenarios", name, {}), law)) == []


@pytest.mark.parametrize("name", sorted(catalogue.entries("scenarios")))
def test_every_scenario_refuses_nan(name: str) -> None:
    scenario: Scenario = loading.build("scenarios", name, {})
    with pytest.raises(ValueError, match="expected"):
        scenario.shift(LAW, float("nan"))


@pytest.mark.parametrize("name", sorted(catalogue.entries("metrics")))
def test_every_metric_keeps_its_contracts(name: str) -> None:
    assert list(metric_violations(loading.build("metrics", name, ARGUMENTS.get(name, {})), honest(), name)) == []


def honest() -> Answer:
    """An answer with every part that an answer can have, and all of the truth."""
    draw = with_bayes(LAW, LAW.draw(Streams(1, 0)))
    model = loading.build("models", "ols", {})
    mean = model.predict(draw.prompts).mean
    levels = (0.1, 0.5, 0.9)
    quantiles = mean[..., None] + torch.tensor([-1.28, 0.0, 1.28], dtype=torch.float64)
    full = Prediction(mean, torch.ones_like(mean), quantiles, levels)
    reference = (model, Prediction(mean * 0.5))
    return Answer(draw.prompts, draw.targets, draw.parameters, LAW, full, model, lambda _: reference)


def test_every_entry_has_a_summary_and_is_listed_without_import() -> None:
    for kind in catalogue.KINDS:
        for entry in catalogue.entries(kind).values():
            assert entry.summary, f"{entry.module} begins without a one-line docstring"


# Plugins that break one contract each. No check is written for any of them: the general ones must find them.


@dataclass(frozen=True)
class _Averaging:
    """The honest answer that each broken model below departs from."""

    def predict(self, prompts: PromptBatch) -> Prediction:
        seen = torch.arange(prompts.n_context)[None] < torch.tensor(prompts.context_sizes)[:, None]
        labels = (seen[None] * prompts.context_y[:, None]).sum(-1)
        return Prediction(labels * prompts.query_x.sum(-1) / 10)


class _ReadsOtherQueries(_Averaging):
    def predict(self, prompts: PromptBatch) -> Prediction:
        centred = prompts.query_x - prompts.query_x.mean(1, keepdim=True)
        return super().predict(replace(prompts, query_x=centred))


class _ReadsLaterExamples(_Averaging):
    def predict(self, prompts: PromptBatch) -> Prediction:
        return Prediction(super().predict(prompts).mean + 0.01 * prompts.context_y.sum(1, keepdim=True))


class _ReadsItsOwnLabel(_Averaging):
    def predict(self, prompts: PromptBatch) -> Prediction:
        mean = super().predict(prompts).mean
        if prompts.next_example:
            rows = torch.tensor(prompts.context_sizes).clamp_max(prompts.n_context - 1)
            mean = mean + 0.1 * prompts.context_y[:, rows]
        return Prediction(mean)


class _NormalisesOverTheBatch(_Averaging):
    def predict(self, prompts: PromptBatch) -> Prediction:
        mean = super().predict(prompts).mean
        return Prediction(mean / (1 + mean.std(0, correction=0)))


class _AnswersAtRandom(_Averaging):
    def predict(self, prompts: PromptBatch) -> Prediction:
        return Prediction(super().predict(prompts).mean + torch.randn(1).double())


class _ChangesItsInput(_Averaging):
    def predict(self, prompts: PromptBatch) -> Prediction:
        prediction = super().predict(prompts)
        prompts.context_y.mul_(2)
        return prediction


class _AnswersTooMuch(_Averaging):
    def predict(self, prompts: PromptBatch) -> Prediction:
        return Prediction(super().predict(prompts).mean[:, :, None])


class _AnswersWithoutPrediction(_Averaging):
    def predict(self, prompts: PromptBatch) -> Prediction:
        return super().predict(prompts).mean  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (_ReadsOtherQueries(), "depends on other queries"),
        (_ReadsLaterExamples(), "depends on examples after its first"),
        (_ReadsItsOwnLabel(), "depends on labels after"),
        (_NormalisesOverTheBatch(), "batched differently"),
        (_AnswersAtRandom(), "two calls on the same prompts differ"),
        (_ChangesItsInput(), "changes its input"),
        (_AnswersTooMuch(), "expected shape"),
        (_AnswersWithoutPrediction(), "expected an icl_bench.Prediction"),
    ],
)
def test_a_model_that_breaks_a_contract_is_caught(model: Model, said: str) -> None:
    assert violations(_Averaging()) == []
    assert any(said in broken for broken in violations(model))


@dataclass(frozen=True)
class _Broken:
    """x -> x + severity, honest but for what its subclasses break."""

    severities: ClassVar[tuple[float | None, ...]] = (0.0, 1.0)

    def identity(self, law: PromptLaw) -> float | None:
        return 0.0

    def shift(self, law: PromptLaw, severity: float | None) -> PromptLaw:
        assert severity is not None
        return law if severity == 0.0 else law.add("covariates", Displaced(severity))


class _UsesNumpysGlobalGenerator(_Broken):
    def shift(self, law: PromptLaw, severity: float | None) -> PromptLaw:
        return law.add("covariates", Displaced(float(np.random.rand())))


class _DrawsFromTorchsGlobalGenerator(_Broken):
    @dataclass(frozen=True)
    class Jitter(Scaled):
        def move(self, x: torch.Tensor, rows: PromptRows, draws: Draws) -> torch.Tensor:
            return x + torch.randn(x.shape)

    def shift(self, law: PromptLaw, severity: float | None) -> PromptLaw:
        return law if severity == 0.0 else law.add("covariates", self.Jitter(1.0))


class _IdentityIsNotTheBase(_Broken):
    def shift(self, law: PromptLaw, severity: float | None) -> PromptLaw:
        assert severity is not None
        return law.add("covariates", Displaced(severity + 1e-300))


class _IdentityMovesTheNoise(_Broken):
    def shift(self, law: PromptLaw, severity: float | None) -> PromptLaw:
        return replace(law, noise=GaussianNoise(law.noise.variance * (1 + 1e-12)))


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        (_UsesNumpysGlobalGenerator(), "global random generator"),
        (_DrawsFromTorchsGlobalGenerator(), "global random generator"),
        (_IdentityIsNotTheBase(), "identity severity"),
        (_IdentityMovesTheNoise(), "identity severity"),
    ],
)
def test_a_scenario_that_breaks_a_contract_is_caught(scenario: Scenario, said: str) -> None:
    assert list(scenario_violations(_Broken(), LAW)) == []
    assert any(said in broken for broken in scenario_violations(scenario, LAW))


def test_bayes_binds_the_test_law_and_learners_the_training_law() -> None:
    """A learner that reads the test law would be a reference; only `bayes` may be one."""
    other = replace(LAW, noise=GaussianNoise(4.0))
    prompts = LAW.draw(Streams(2, 0)).prompts.select(slice(0, 4))
    for name in catalogue.entries("models"):
        model = loading.build("models", name, ARGUMENTS.get(name, {}))
        if not hasattr(model, "bind"):
            continue
        first, second = bound(model, TRAINING, LAW), bound(model, TRAINING, other)
        same = torch.equal(first.predict(prompts).mean, second.predict(prompts).mean)
        assert same == (name != "bayes"), name
