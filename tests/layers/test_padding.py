"""A checkpoint asked below its dimension: zeros behind the covariates, and exact risks that stay exact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from icl_bench.assembly.plugins import load_model
from icl_bench.checkpoints.card import plain_arguments
from icl_bench.checkpoints.folder import write_checkpoint
from icl_bench.contracts.models import model_violations
from icl_bench.errors import CheckpointError
from icl_bench.function_classes.linear import Linear
from icl_bench.laws.covariates.displaced import Displaced
from icl_bench.laws.covariates.spectrum import Spectrum
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.query.row_wise import RowWise
from icl_bench.laws.sizes import Sizes
from icl_bench.layers.learner import Learner
from icl_bench.plugins import loading
from icl_bench.plugins.protocols import LinearLearner
from icl_bench.prompts import PromptBatch
from icl_bench.run.suite_run import run_suite
from icl_bench.seeding import Streams
from icl_bench.theory.linear_learners import exact_risk
from tests.small_checkpoints import card_for, suite_file, written

TRAINED, ASKED = 5, 3
LAW = PromptLaw(Linear(ASKED), GaussianNoise(0.3), Sizes((0, 1, 2, 4, 7)))


def corner_layer(folder: Path) -> tuple[Path, Learner]:
    """A layer for 5 dimensions whose matrix mixes all of them."""
    architecture = loading.build("models", "linear_attention_layer", {})
    learner: Learner = architecture.initial(TRAINED)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    card = card_for("linear_attention_layer", plain_arguments(architecture), TRAINED)
    write_checkpoint(folder, learner, card)
    return folder, learner


def padded(prompts: PromptBatch) -> PromptBatch:
    def wider(x: Tensor) -> Tensor:
        return torch.cat([x, x.new_zeros(*x.shape[:2], TRAINED - ASKED)], dim=-1)

    return replace(prompts, context_x=wider(prompts.context_x), query_x=wider(prompts.query_x))


def model_at(path: Path, **arguments: Any) -> Any:
    model: Any = load_model("checkpoint", path=str(path), **arguments)
    return model.bind(replace(LAW, sizes=Sizes((4,))))


def test_missing_dimensions_are_zeros_behind_the_covariates(tmp_path: Path) -> None:
    path, learner = corner_layer(tmp_path)
    prompts = LAW.draw(Streams(0, 0)).prompts
    before = prompts.select(slice(None))
    model = model_at(path, pad=True)
    assert torch.equal(model.predict(prompts).mean, learner.predict(padded(prompts)).mean)
    assert prompts.same_values(before)
    own = replace(LAW, prior=Linear(TRAINED)).draw(Streams(0, 0)).prompts
    assert torch.equal(model.predict(own).mean, learner.predict(own).mean)


@pytest.mark.parametrize("name", ["gpt2", "linear_attention_layer"])
def test_a_padded_checkpoint_keeps_the_contracts_of_a_model(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, n_positions=16) if name == "gpt2" else corner_layer(tmp_path)[0]
    model = model_at(path, pad=True)
    law = replace(LAW, prior=Linear(2))
    assert list(model_violations(model, law.draw(Streams(3, 0)).prompts.select(slice(0, 4)))) == []


@pytest.mark.parametrize(("n_dims", "pad", "offered"), [(3, False, True), (6, False, False), (6, True, False)])
def test_what_does_not_fit_is_refused_and_padding_offered_where_it_helps(
    tmp_path: Path, n_dims: int, pad: bool, offered: bool
) -> None:
    model = model_at(corner_layer(tmp_path)[0], pad=pad)
    prompts = replace(LAW, prior=Linear(n_dims)).draw(Streams(0, 0)).prompts
    for ask in (model.predict, model.linear_maps):
        with pytest.raises(CheckpointError, match=f"n_dims = 5, got prompts of n_dims = {n_dims}") as refused:
            ask(prompts)
        assert ("pad = true" in str(refused.value)) == offered


SHIFTS: dict[str, PromptLaw] = {
    "base": LAW,
    "spectra": LAW.add("covariates", Spectrum(1.0)).add("query", RowWise(Displaced(2.0))),
}


def test_padded_maps_are_what_the_predictions_do(tmp_path: Path) -> None:
    """Asked with one label at a time and unit queries, the predictions spell out B; then B X and B B^T follow."""
    model = model_at(corner_layer(tmp_path)[0], pad=True)
    prompts = LAW.draw(Streams(0, 0)).prompts.select(slice(0, 3))
    maps = model.linear_maps(prompts)
    sizes = tuple(size for size in prompts.context_sizes for _ in range(ASKED))
    units = torch.eye(ASKED, dtype=torch.float64).repeat(len(prompts.context_sizes), 1).expand(3, -1, -1)
    columns = []
    for example in range(prompts.n_context):
        y = torch.zeros_like(prompts.context_y)
        y[:, example] = 1.0
        asked = PromptBatch(prompts.context_x, y, units, sizes, next_example=False)
        columns.append(model.predict(asked).mean.double().unflatten(1, (-1, ASKED)))
    b = torch.stack(columns, dim=-1)  # (prompt, size, dim, context)
    torch.testing.assert_close(maps.signal, b @ prompts.context_x[:, None], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(maps.noise, b @ b.mT, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shift", SHIFTS)
def test_the_exact_risk_of_a_padded_layer_is_its_mean_squared_error(tmp_path: Path, shift: str) -> None:
    """As a ratio, whose mean given X is 1."""
    model = model_at(corner_layer(tmp_path)[0], pad=True)
    assert isinstance(model, LinearLearner)
    ratios = []
    for block in range(12):
        draw = SHIFTS[shift].draw(Streams(2, block))
        error = (model.predict(draw.prompts).mean - draw.targets.query_f).square()  # type: ignore[attr-defined]
        ratios.append(error / exact_risk(model, draw.prompts, draw.parameters, SHIFTS[shift]))
    for column in torch.cat(ratios).T.numpy():
        deviation = column - 1.0
        assert abs(deviation.mean() / (deviation.std() / len(deviation) ** 0.5)) < 4.5
        assert np.isfinite(column).all()


def test_a_suite_asks_a_checkpoint_below_its_dimension(tmp_path: Path) -> None:
    corner_layer(tmp_path / "nets" / "own")
    file = suite_file(tmp_path, n_dims=ASKED)
    text = file.read_text().replace('path = "nets/own"', 'path = "nets/own"\npad = true')
    file.write_text(text.replace('["squared_error"]', '["squared_error", "exact_risk"]'))
    scores = run_suite(file, out=tmp_path / "run").scores
    assert set(scores["metric"]) >= {"squared_error", "exact_risk"}
    assert set(scores["status"]) == {"ok"}
