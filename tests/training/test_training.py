"""Training: the same weights to the bit however often it is interrupted, on prompts no test ever draws."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from icl_bench.checkpoints.folder import read_checkpoint
from icl_bench.cli.main import app
from icl_bench.errors import RecipeError, RunFolderError, TrainingError
from icl_bench.layers.linear_self_attention import CornerLayer
from icl_bench.seeding import TRAINING_SEEDS, TUNING_SEEDS, Streams
from icl_bench.tables.training_table import read_training
from icl_bench.theory.linear_self_attention import EXPONENTIAL_MOMENTS, global_minimum, random_covariance_minimum
from icl_bench.training.batches import PromptSource, component_law
from icl_bench.training.recipe import Component, Curriculum, Growth, Recipe
from icl_bench.training.recipe_file import load_recipe
from icl_bench.training.state import read_progress
from icl_bench.training.steps import Stepper
from icl_bench.training.train import Silent, train
from tests.small_recipes import POPULATION, RANDOM, RECIPE


@pytest.fixture
def recipe_path(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def recipe(recipe_path: Path) -> Recipe:
    return load_recipe(recipe_path)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "weights.safetensors")


class _InterruptsAt(Silent):
    def __init__(self, step: int) -> None:
        self.step = step

    def advance(self, step: int, loss: float) -> None:
        if step == self.step:
            raise KeyboardInterrupt


def test_interrupted_and_continued_training_has_the_same_weights_to_the_bit(recipe: Recipe, tmp_path: Path) -> None:
    whole = train(recipe, tmp_path / "whole", device="cpu")
    parts = tmp_path / "parts"
    train(recipe, parts, device="cpu", until=7)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, parts, device="cpu", progress=_InterruptsAt(23))
    train(recipe, parts, device="cpu")
    expected, found = weights(whole), weights(parts)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    losses = [[row["value"] for row in read_training(folder / "training.parquet")] for folder in (whole, parts)]
    assert losses[0] == losses[1]


def test_training_brings_the_risk_down_and_the_table_says_so(recipe: Recipe, tmp_path: Path) -> None:
    longer = replace(recipe, optimisation=replace(recipe.optimisation, n_steps=400))
    rows = read_training(train(longer, tmp_path / "out", device="cpu") / "training.parquet")

    def risk(step: int) -> float:
        return next(
            row["value"]
            for row in rows
            if row["step"] == step and row["metric"] == "risk_over_bayes" and row["context_size"] == 6
        )

    assert risk(400) < 0.5 * risk(20)
    assert {row["metric"] for row in rows} == {"loss", "squared_error", "excess_risk", "risk_over_bayes"}
    assert max(row["prompts_seen"] for row in rows) == 400 * 64


def test_a_finished_folder_is_left_as_it_is(recipe: Recipe, tmp_path: Path) -> None:
    folder = train(recipe, tmp_path / "out", device="cpu")
    before = weights(folder)
    assert all(torch.equal(before[name], value) for name, value in weights(train(recipe, folder, device="cpu")).items())


def test_another_recipes_folder_is_refused_unless_fresh(recipe: Recipe, tmp_path: Path) -> None:
    folder = train(recipe, tmp_path / "out", device="cpu", until=5)
    other = replace(recipe, optimisation=replace(recipe.optimisation, learning_rate=0.5))
    with pytest.raises(RunFolderError, match="another recipe"):
        train(other, folder, device="cpu")
    train(other, folder, device="cpu", until=5, fresh=True)


def test_a_damaged_state_is_refused_and_fresh_begins_anew(recipe: Recipe, tmp_path: Path) -> None:
    folder = train(recipe, tmp_path / "out", device="cpu", until=5)
    state = folder / "state.safetensors"
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(RunFolderError, match="not a sound training state"):
        train(recipe, folder, device="cpu")
    train(recipe, folder, device="cpu", fresh=True)
    assert (folder / "card.toml").exists()


def test_a_diverging_loss_is_told_and_the_last_good_state_kept(recipe: Recipe, tmp_path: Path) -> None:
    folder = train(recipe, tmp_path / "out", device="cpu", until=5)
    kept = (folder / "state.safetensors").read_bytes()
    text = RECIPE.replace("learning_rate = 1e-2", "learning_rate = 1e30\nclip = 0.0")
    wild_path = tmp_path / "wild.toml"
    wild_path.write_text(text)
    with pytest.raises(TrainingError, match=r"diverged.*smaller learning_rate"):
        train(wild_path, tmp_path / "wild", device="cpu")
    assert (folder / "state.safetensors").read_bytes() == kept
    assert not (tmp_path / "wild" / "card.toml").exists()
    result = CliRunner().invoke(app, ["train", str(wild_path), "--out", str(tmp_path / "again"), "--device", "cpu"])
    assert result.exit_code == 2
    assert "diverged" in result.output


def test_a_state_that_could_be_written_is_never_of_a_diverged_loss(recipe: Recipe, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    train(recipe, folder, device="cpu", until=10)
    rows = read_training(folder / "training.parquet")
    assert all(row["value"] is None or abs(row["value"]) < 1e6 for row in rows)
    assert all(bool(value.isfinite().all()) for value in load_file(folder / "state.safetensors").values())


def test_ctrl_c_waits_for_the_end_of_the_step(recipe: Recipe, tmp_path: Path, monkeypatch: Any) -> None:
    """A signal in the middle of an update must not leave half an update in the state."""
    step = Stepper.step

    def interrupted(self: Any, number: int) -> torch.Tensor:
        if number == 11:
            signal.raise_signal(signal.SIGINT)
        return step(self, number)

    monkeypatch.setattr("icl_bench.training.steps.Stepper.step", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(recipe, tmp_path / "out", device="cpu")
    finally:
        signal.signal(signal.SIGINT, before)
    monkeypatch.undo()
    assert read_progress(tmp_path / "out" / "state.safetensors").step == 12
    expected = weights(train(recipe, tmp_path / "whole", device="cpu"))
    found = weights(train(recipe, tmp_path / "out", device="cpu"))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_weights_past_mending_are_never_written(recipe: Recipe, tmp_path: Path, monkeypatch: Any) -> None:
    step = Stepper.step

    def poisoned(self: Any, number: int) -> torch.Tensor:
        loss = step(self, number)
        with torch.no_grad():
            next(self.learner.parameters()).fill_(torch.inf)
        return loss

    folder = train(recipe, tmp_path / "out", device="cpu", until=10)
    kept = (folder / "state.safetensors").read_bytes()
    monkeypatch.setattr("icl_bench.training.steps.Stepper.step", poisoned)
    with pytest.raises(TrainingError, match="weights are not finite at step 11"):
        train(recipe, folder, device="cpu", until=11)
    assert (folder / "state.safetensors").read_bytes() == kept


@pytest.mark.parametrize(
    "sizes", [{"n_layers": 0}, {"width": -8}, {"n_heads": 0}, {"n_heads": 3}, {"n_positions": -4}], ids=str
)
def test_sizes_that_make_no_network_are_refused(sizes: dict[str, int], recipe: Recipe, tmp_path: Path) -> None:
    impossible = replace(recipe, network=replace(recipe.network, arguments=sizes))
    with pytest.raises(RecipeError, match=r"small\.toml:5: network: gpt2 cannot be built"):
        train(impossible, tmp_path / "out", device="cpu")


def test_out_of_memory_says_what_to_make_smaller(recipe: Recipe, tmp_path: Path, monkeypatch: Any) -> None:
    def exhausted(self: Any, number: int) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("icl_bench.training.steps.Stepper.step", exhausted)
    with pytest.raises(TrainingError, match=r"smaller .*batch_size"):
        train(recipe, tmp_path / "out", device="cpu")


def test_batches_are_a_function_of_the_step_alone(recipe: Recipe) -> None:
    ahead, plain = PromptSource(recipe, ahead=3), PromptSource(recipe, ahead=0)
    expected = [plain.batch(step) for step in range(9)]
    for step in (0, 1, 2, 3, 4, 5, 6, 7, 8):
        found = ahead.batch(step)
        assert found.prompts.same_values(expected[step].prompts)
        assert torch.equal(found.targets, expected[step].targets)
    ahead.close()
    assert not expected[0].prompts.same_values(expected[4].prompts)


def test_large_batches_hold_the_blocks_that_small_ones_do(recipe: Recipe) -> None:
    large = replace(recipe, optimisation=replace(recipe.optimisation, batch_size=512))
    small = PromptSource(recipe, ahead=0)
    together = torch.cat([small.batch(step).prompts.context_x for step in range(8)])
    assert torch.equal(PromptSource(large, ahead=0).batch(0).prompts.context_x, together)


def test_targets_are_labels_functions_or_bayes_predictions(recipe: Recipe) -> None:
    def batch(target: Any) -> torch.Tensor:
        asked = replace(recipe, optimisation=replace(recipe.optimisation, target=target))
        return PromptSource(asked, ahead=0).batch(0).targets

    law = component_law(recipe, recipe.mixture[0])
    draw = law.draw(Streams(TRAINING_SEEDS, 0))
    assert torch.equal(batch("label"), draw.targets.query_y[:64])
    assert torch.equal(batch("function"), draw.targets.query_f[:64])
    assert torch.equal(batch("bayes"), law.bayes(draw.prompts).mean[:64])


def test_training_tuning_and_test_prompts_never_meet() -> None:
    assert TUNING_SEEDS >= 2**61
    assert TRAINING_SEEDS > TUNING_SEEDS
    broken = CliRunner().invoke(app, ["run", "--help"])
    assert broken.exit_code == 0
    draws = {Streams(seed, 0).normal("covariates", (4,)).tobytes() for seed in (0, TUNING_SEEDS, TRAINING_SEEDS)}
    assert len(draws) == 3


def test_the_curriculum_zeroes_dimensions_and_shortens_prompts(recipe: Recipe) -> None:
    growing = replace(recipe, curriculum=Curriculum(Growth(1, 1, 8), Growth(2, 2, 4)))
    source = PromptSource(growing, ahead=0)
    for step, dims, longest in ((0, 1, 2), (4, 1, 4), (8, 2, 6), (39, 2, 6)):
        batch = source.batch(step)
        assert batch.prompts.n_context == longest
        assert bool((batch.prompts.context_x[..., dims:] == 0).all())
        assert bool((batch.prompts.context_x[..., :dims] != 0).all())
        assert batch.targets.shape == (64, longest + 1)


def test_a_component_law_is_the_suites_law(recipe: Recipe) -> None:
    law = component_law(recipe, Component(1.0, (), (), recipe.prompts))
    assert law.n_dims == 2
    assert law.noise.variance == 0.25


@pytest.mark.parametrize("d", [8, 20])
@pytest.mark.parametrize("mixture", ["", RANDOM], ids=["Theorem 4.1", "Theorem 4.5"])
def test_training_on_the_population_loss_reaches_the_theorems_minimum(tmp_path: Path, d: int, mixture: str) -> None:
    path = tmp_path / "population.toml"
    path.write_text(POPULATION.format(d=d, n=2 * d, mixture=mixture))
    learner = read_checkpoint(train(path, tmp_path / "out", device="cpu")).learner
    assert isinstance(learner, CornerLayer)
    if mixture:
        expected: torch.Tensor = random_covariance_minimum(*EXPONENTIAL_MOMENTS, d, 2 * d)
    else:
        expected = global_minimum(torch.eye(d, dtype=torch.float64), 2 * d)
    assert float((learner.matrix.detach() - expected).norm() / expected.norm()) < 1e-3


def test_a_population_loss_is_refused_where_none_is_known(tmp_path: Path) -> None:
    path = tmp_path / "population.toml"
    path.write_text(POPULATION.format(d=2, n=4, mixture="").replace("linear_attention_layer", "set_mlp"))
    with pytest.raises(RecipeError, match="population"):
        train(path, tmp_path / "out", device="cpu")


def test_muon_moves_the_matrices_inside_blocks_and_continues_to_the_bit(recipe: Recipe, tmp_path: Path) -> None:
    asked = replace(recipe, optimisation=replace(recipe.optimisation, optimiser="muon", learning_rate=3e-3))
    whole = train(asked, tmp_path / "whole", device="cpu")
    train(asked, tmp_path / "parts", device="cpu", until=17)
    expected, found = weights(whole), weights(train(asked, tmp_path / "parts", device="cpu"))
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    without = replace(asked, network=replace(asked.network, use="set_mlp", arguments={}))
    with pytest.raises(RecipeError, match="muon"):
        train(without, tmp_path / "without", device="cpu")


def test_a_suite_is_measured_along_the_way_on_tuning_prompts(recipe_path: Path, tmp_path: Path) -> None:
    (tmp_path / "held-out.toml").write_text(
        '[suite]\nname = "held-out"\nversion = 1\n[prompts]\nn_dims = 2\ncontext_sizes = [2, 4]\nnoise_std = 0.5\n'
        '[[models]]\nuse = "zero"\n[[scenarios]]\nuse = "covariate/scale"\nseverities = [1.0, 3.0]\n'
        '[[scenarios]]\nuse = "noise/heavy_tail"\nseverities = [3.0]\n'
    )
    recipe_path.write_text(RECIPE.replace("every = 20", 'every = 20\nsuite = "held-out.toml"'))
    rows = [
        row
        for row in read_training(train(recipe_path, tmp_path / "out", device="cpu") / "training.parquet")
        if row["metric"] != "loss"
    ]
    assert {row["step"] for row in rows} == {20, 40}
    cells = {(row["scenario"], row["severity"]) for row in rows}
    assert cells == {("base", ""), ("covariate/scale", "1"), ("covariate/scale", "3"), ("noise/heavy_tail", "3")}
    without_bayes = {row["metric"] for row in rows if row["scenario"] == "noise/heavy_tail"}
    assert without_bayes == {"squared_error"}
    assert {row["context_size"] for row in rows if row["scenario"] == "covariate/scale"} == {2, 4}
