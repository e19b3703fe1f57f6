"""What recipes draw their prompts from: targets, mixtures and curricula under any law, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from icl_bench.cli.main import app
from icl_bench.errors import RecipeError
from icl_bench.laws.covariates.random_diagonal import RandomDiagonal
from icl_bench.laws.parts import Placed
from icl_bench.seeding import TRAINING_SEEDS, Streams
from icl_bench.theory.linear_learners import averaged_prediction
from icl_bench.training.batches import PromptSource, component_law, grown
from icl_bench.training.population import PopulationLoss
from icl_bench.training.recipe import Curriculum, Growth
from icl_bench.training.recipe_file import load_recipe
from icl_bench.training.steps import Stepper
from icl_bench.training.train import _initial
from tests.small_recipes import POPULATION, RANDOM, RECIPE


@pytest.fixture
def recipe_path(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return path


def test_a_mixture_draws_each_prompt_from_one_law_in_its_share(recipe_path: Path) -> None:
    text = (
        RECIPE
        + '\n[[mixture]]\nweight = 3.0\n\n[[mixture]]\nscenarios = [{ use = "covariate/scale", severity = 50.0 }]\n'
    )
    recipe_path.write_text(text)
    source = PromptSource(load_recipe(recipe_path), ahead=0)
    scaled = torch.cat([source.draw(block).prompts.context_x.abs().amax((1, 2)) > 12 for block in range(8)])
    share = float(scaled.double().mean())
    assert abs(share - 0.25) < 4.5 * (0.25 * 0.75 / len(scaled)) ** 0.5


def test_mixed_lengths_are_a_recipe(recipe_path: Path) -> None:
    text = RECIPE + '\n[[mixture]]\n\n[[mixture]]\nprompts = { context_sizes = "0:3" }\n'
    recipe_path.write_text(text)
    source = PromptSource(load_recipe(recipe_path), ahead=0)
    assert {source.draw(block).prompts.n_context for block in range(12)} == {3, 6}


def test_scenarios_in_a_recipe_shift_the_training_law(recipe_path: Path) -> None:
    recipe_path.write_text(
        RECIPE + '\n[[mixture]]\nscenarios = [{ use = "covariate/random_diagonal", severity = 4.0 }]\n'
    )
    (law,) = PromptSource(load_recipe(recipe_path), ahead=0).laws
    assert law.covariates == (Placed("covariate/random_diagonal", RandomDiagonal(4.0)),)
    recipe_path.write_text(RECIPE + '\n[[mixture]]\nscenarios = [{ use = "covariate/scale", severity = -1.0 }]\n')
    with pytest.raises(RecipeError, match="covariate/scale at severity -1"):
        PromptSource(load_recipe(recipe_path))


BROAD: dict[str, str] = {
    "heteroscedastic": 'use = "noise/heteroscedastic", severity = 1.0',
    "change point": 'use = "task/change_point", severity = 0.5',
    "fixed rotation": 'use = "covariate/spectrum", severity = 2.0, fixed_rotation = true',
    "orthogonal query": 'use = "query/orthogonal", severity = 1.0',
}


def mixed(*components: str, **changes: Any) -> str:
    """The recipe with a mixture of scenarios ("" for none), and other values of [optimisation]."""
    text = RECIPE + "".join(f"\n[[mixture]]\nscenarios = [{f'{{ {one} }}' if one else ''}]\n" for one in components)
    for name, value in changes.items():
        old = next(line for line in RECIPE.splitlines() if line.startswith(f"{name} ="))
        text = text.replace(old, f"{name} = {value}")
    return text


@pytest.mark.parametrize("target", ["label", "function", "bayes"])
@pytest.mark.parametrize("name", BROAD)
def test_every_target_is_that_of_the_shifted_law(name: str, target: str, recipe_path: Path) -> None:
    recipe_path.write_text(mixed(BROAD[name], target=f'"{target}"', batch_size=256))
    recipe = load_recipe(recipe_path)
    law = component_law(recipe, recipe.mixture[0])
    draw = law.draw(Streams(TRAINING_SEEDS, 0))
    wanted = {"label": draw.targets.query_y, "function": draw.targets.query_f, "bayes": law.bayes(draw.prompts).mean}
    source = PromptSource(recipe, ahead=0)
    batch = source.batch(0)
    assert batch.prompts.same_values(draw.prompts)
    assert torch.equal(batch.targets, wanted[target])
    loss = Stepper(recipe, _initial(recipe), source, torch.device("cpu")).step(0)
    assert bool(loss.isfinite())


@pytest.mark.parametrize("batch_size", [64, 512])
@pytest.mark.parametrize("components", [("", 'use = "query/scale", severity = 3.0'), ("", BROAD["orthogonal query"])])
def test_queries_of_their_own_and_next_examples_mix(
    components: tuple[str, str], batch_size: int, recipe_path: Path
) -> None:
    """Each row is one law's own, whole; a batch says `next_example` where all of it is, and fits its targets."""
    recipe_path.write_text(mixed(*components, batch_size=batch_size))
    recipe = load_recipe(recipe_path)
    source = PromptSource(recipe, ahead=0)
    per_step, seen = max(1, batch_size // 256), set()
    for step in range(3):
        batch = source.batch(step)
        prompts = batch.prompts
        assert batch.targets.shape == (batch_size, prompts.n_queries)
        for part in range(per_step):
            block, row = divmod(step * batch_size + 256 * part, 256)
            own = [law.draw(Streams(TRAINING_SEEDS, block)) for law in source.laws]
            for i in range(min(batch_size, 256)):
                fitting = [
                    number
                    for number, draw in enumerate(own)
                    if draw.prompts.context_sizes == prompts.context_sizes
                    and torch.equal(draw.prompts.query_x[row + i], prompts.query_x[256 * part + i])
                ]
                assert len(fitting) == 1
                seen.add(fitting[0])
                f = own[fitting[0]].targets.query_f
                assert f is not None
                assert torch.equal(f[row + i], batch.targets[256 * part + i])
                assert prompts.next_example <= own[fitting[0]].prompts.next_example
    assert seen == {0, 1} or batch_size == 64  # three small batches may be of one block, so of one law


@pytest.mark.parametrize("batch_size", [256, 1024])
def test_laws_of_other_lengths_mix_step_by_step(batch_size: int, recipe_path: Path) -> None:
    text = mixed(batch_size=batch_size) + '\n[[mixture]]\n\n[[mixture]]\nprompts = { context_sizes = "0:3" }\n'
    recipe_path.write_text(text)
    source = PromptSource(load_recipe(recipe_path), ahead=0)
    batches = [source.batch(step) for step in range(8)]
    assert {batch.prompts.n_context for batch in batches} == {3, 6}
    assert all(batch.targets.shape == (batch_size, batch.prompts.n_context + 1) for batch in batches)


def test_an_orthogonal_query_that_has_nowhere_to_turn_stays(recipe_path: Path) -> None:
    """Under a curriculum over dimensions, contexts span all that a query lies in: not a number before."""
    recipe_path.write_text(mixed(BROAD["orthogonal query"]).replace("n_dims = 2", "n_dims = 4"))
    growing = replace(load_recipe(recipe_path), curriculum=Curriculum(Growth(2, 1, 1000), None))
    prompts = PromptSource(growing, ahead=0).batch(0).prompts
    assert bool(prompts.query_x.isfinite().all())
    assert not prompts.query_x[..., 2:].any()
    cosines = (prompts.query_x[:, 1] * prompts.context_x[:, 0]).sum(-1)
    assert float(cosines.abs().max()) < 1e-12  # one example of two dimensions leaves one to turn to
    free = replace(growing, mixture=(replace(growing.mixture[0], factors=(), point=()),))
    unturned = PromptSource(free, ahead=0).batch(0).prompts
    torch.testing.assert_close(prompts.query_x[:, 2:], unturned.query_x[:, 2:4])


REFUSED: dict[str, tuple[str, str, str]] = {
    "bayes, observed": ("bayes", 'use = "covariate/errors_in_variables", severity = 0.5', "otherwise than it is"),
    "bayes, heavy tails": ("bayes", 'use = "noise/heavy_tail", severity = 3.0', "noise is not Gaussian"),
    "population, heavy tails": ("population", 'use = "covariate/heavy_tail", severity = 5.0', "not Gaussian given"),
    "population, observed": ("population", 'use = "covariate/errors_in_variables", severity = 0.5', "otherwise than"),
    "population, labels": ("population", 'use = "noise/heteroscedastic", severity = 1.0', "not one number"),
    "population, rotations": ("population", 'use = "covariate/spectrum", severity = 2.0', "from prompt to prompt"),
    "population, change": ("population", 'use = "task/change_point", severity = 0.5', "not linear"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_target_that_a_law_does_not_have_is_the_recipes_error(name: str, recipe_path: Path, tmp_path: Path) -> None:
    target, scenario, said = REFUSED[name]
    text = mixed(scenario, target=f'"{target}"').replace(
        'use = "gpt2"\nn_layers = 1\nwidth = 16\nlayout = "paired"\npositions = "none"',
        'use = "linear_attention_layer"',
    )
    recipe_path.write_text(text)
    line = 1 + text[: text.index("target =")].count("\n")
    result = CliRunner().invoke(app, ["train", str(recipe_path), "--out", str(tmp_path / "out"), "--device", "cpu"])
    assert result.exit_code == 2, result.output
    found = " ".join(result.output.split())
    assert f"small.toml:{line}: optimisation.target: '{target}' is not known here" in found
    assert said in found
    if target == "bayes":  # before any step: a law of a small share may be drawn late
        with pytest.raises(RecipeError, match="not known here"):
            PromptSource(load_recipe(recipe_path), ahead=0)
    assert not (tmp_path / "out" / "card.toml").exists()


@pytest.mark.parametrize("noise", ["noise_std = 0.5", "noise_std = 0.0"])
def test_rows_of_a_table_cannot_be_trained_on(noise: str, recipe_path: Path) -> None:
    table = RECIPE.replace("n_dims = 2", 'n_dims = 10\nfunction_class = "table"').replace("noise_std = 0.5", noise)
    recipe_path.write_text(table)
    with pytest.raises(RecipeError, match=r"small\.toml:12: prompts: function_class: 'table' .*expected another class"):
        PromptSource(load_recipe(recipe_path))


def test_arguments_that_make_no_function_class_are_refused_with_their_place(recipe_path: Path) -> None:
    recipe_path.write_text(
        RECIPE.replace("n_dims = 2", "n_dims = 2\nfunction_class_arguments = { covariance = [1, -1] }")
    )
    with pytest.raises(RecipeError, match=r"small\.toml:12: linear .*expected no negative eigenvalue"):
        PromptSource(load_recipe(recipe_path))


def test_a_population_loss_follows_the_curriculum_and_takes_every_context_size(tmp_path: Path) -> None:
    """At each step the mean over the sizes that its prompts have, of the error of sampled prompts of that step."""
    text = POPULATION.format(d=3, n=4, mixture="").replace(
        "context_sizes = [4]", 'context_sizes = "0:4"\nnoise_std = 0.5'
    )
    (tmp_path / "growing.toml").write_text(text)
    recipe = replace(load_recipe(tmp_path / "growing.toml"), curriculum=Curriculum(Growth(1, 1, 10), Growth(2, 1, 15)))
    law = component_law(recipe, recipe.mixture[0])
    population = PopulationLoss(recipe, law)
    matrix = torch.eye(3, dtype=torch.float64) * 0.6 + 0.1
    for step in (0, 10, 15, 30):
        asked = grown(law, recipe, step)
        errors = []
        for block in range(20):
            draw = asked.draw(Streams(5, block))
            errors.append((averaged_prediction(draw.prompts, matrix) - draw.targets.query_f).square().mean(1))
        sample = torch.cat(errors).numpy()
        exact = float(population.at(step)(matrix))
        assert abs(sample.mean() - exact) < 4.5 * sample.std() / len(sample) ** 0.5, step
    stages = {float(population.at(step)(matrix)) for step in range(40)}
    assert len(stages) == 5  # (1, 2), (2, 2), (2, 3), (3, 3), (3, 4)


def test_a_curriculum_that_a_population_loss_cannot_follow_is_refused(tmp_path: Path) -> None:
    (tmp_path / "random.toml").write_text(POPULATION.format(d=3, n=4, mixture=RANDOM))
    recipe = load_recipe(tmp_path / "random.toml")
    law = component_law(recipe, recipe.mixture[0])
    PopulationLoss(replace(recipe, curriculum=Curriculum(None, Growth(2, 1, 15))), law)
    with pytest.raises(RecipeError, match="random from prompt to prompt"):
        PopulationLoss(replace(recipe, curriculum=Curriculum(Growth(2, 1, 15), None)), law)
    with pytest.raises(RecipeError, match="every layer answers 0"):
        PopulationLoss(recipe, law.with_sizes((0,)))
