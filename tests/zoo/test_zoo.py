"""The weights that ship: sound, small, trained by the recipes beside them, and as good as the documents say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from icl_bench import load_model, shipped
from icl_bench.checkpoints.folder import Checkpoint, read_checkpoint
from icl_bench.function_classes.linear import Linear
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.sizes import Sizes
from icl_bench.layers.linear_self_attention import CornerLayer
from icl_bench.seeding import Streams
from icl_bench.statistics.intervals import mean_interval
from icl_bench.theory.linear_self_attention import EXPONENTIAL_MOMENTS, global_minimum, random_covariance_minimum
from icl_bench.training.batches import component_law
from icl_bench.training.card import data_law
from icl_bench.training.recipe_file import load_recipe
from tests.command import ROOT

ZOO = shipped.zoo()
NAMES = sorted(shipped.weights())
MATCHED = ("deltanet-d8", "gated-linear-attention-d8", "lstm-d8")
"""Sub-quadratic networks trained as gpt2-tiny-d8-fixed was."""


def shipped(name: str) -> Checkpoint:
    return read_checkpoint(ZOO / name)


def test_the_zoo_holds_what_the_suites_need() -> None:
    layers = {f"lsa-d{d}-{law}" for d in (8, 20) for law in ("fixed", "random-covariance")}
    transformers = {f"gpt2-tiny-d8-{law}" for law in ("fixed", "random-covariance")} | {"transformer-d8"}
    assert layers | transformers | set(MATCHED) <= set(NAMES)
    assert sum(path.stat().st_size for path in ZOO.rglob("*") if path.is_file()) <= 25e6


@pytest.mark.parametrize("name", NAMES)
def test_weights_card_and_recipe_belong_together(name: str) -> None:
    checkpoint = shipped(name)  # checks the weights against the card
    card = checkpoint.card
    assert card is not None
    for path in (ZOO / name / "recipe.toml", ROOT / "recipes" / f"{name}.toml"):
        recipe = load_recipe(path)
        assert (recipe.name, recipe.version, recipe.digest) == (
            card.recipe.name,
            card.recipe.version,
            card.recipe.digest,
        )
        assert recipe.network.use == card.architecture
        assert recipe.optimisation.n_steps == card.steps
        assert data_law(recipe, [component_law(recipe, component) for component in recipe.mixture]) == card.law
    assert card.licence
    assert card.author
    assert card.law.scenarios
    assert {path.name for path in (ZOO / name).iterdir()} == {"card.toml", "recipe.toml", card.weights.file}


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_model_answers_by_its_name_in_a_suite(name: str) -> None:
    model = load_model("checkpoint", path=f"zoo:{name}")
    n_dims = shipped(name).n_dims
    law = PromptLaw(Linear(n_dims), GaussianNoise(0.25), Sizes((0, 4, 2 * n_dims)))
    answer = model.predict(law.draw(Streams(0, 0)).prompts.select(slice(0, 8))).mean
    assert answer.shape == (8, 3)
    assert bool(answer.isfinite().all())


@pytest.mark.parametrize("name", MATCHED)
def test_sub_quadratic_networks_had_the_transformers_budget(name: str) -> None:
    own, transformer = shipped(name), shipped("gpt2-tiny-d8-fixed")
    assert own.card is not None
    assert transformer.card is not None
    for part in ("steps", "prompts_seen", "seed", "law", "n_context"):
        assert getattr(own.card, part) == getattr(transformer.card, part), part
    mine, theirs = (
        sum(value.numel() for key, value in checkpoint.learner.named_parameters() if "positions" not in key)
        for checkpoint in (own, transformer)
    )
    assert abs(mine / theirs - 1) < 0.1  # the table of positions aside


@pytest.mark.parametrize("n_dims", [8, 20])
@pytest.mark.parametrize("kind", ["fixed", "random-covariance"])
def test_trained_linear_attention_reached_its_global_minimum(n_dims: int, kind: str) -> None:
    """Trained on sampled prompts: within 2% (relative Frobenius) of Theorem 4.1's, of Theorem 4.5's A."""
    learner = shipped(f"lsa-d{n_dims}-{kind}").learner
    assert isinstance(learner, CornerLayer)
    if kind == "fixed":
        expected: Tensor = global_minimum(torch.eye(n_dims, dtype=torch.float64), 2 * n_dims)
    else:
        expected = random_covariance_minimum(*EXPONENTIAL_MOMENTS, n_dims, 2 * n_dims)
    assert float((learner.matrix.detach() - expected).norm() / expected.norm()) < 2e-2


def over_bayes(name: str, sizes: tuple[int, ...], n_blocks: int = 8) -> tuple[Tensor, Tensor]:
    """Risk over Bayes risk and its standard error at each size, on prompts that training and suites never drew."""
    law = PromptLaw(Linear(8), GaussianNoise(0.25), Sizes(sizes))
    model = load_model("checkpoint", path=f"zoo:{name}")
    excess, variance = [], []
    for block in range(n_blocks):
        prompts = law.draw(Streams(987_654_321, block)).prompts
        posterior = law.bayes(prompts)
        excess.append((model.predict(prompts).mean.double() - posterior.mean) ** 2)
        variance.append(posterior.variance)
    bayes = torch.cat(variance).mean(0)
    estimate = mean_interval(torch.cat(excess).numpy(), 1)
    return 1 + torch.tensor(estimate.value) / bayes, torch.tensor(estimate.stderr) / bayes


def test_the_best_transformer_is_near_bayes_in_distribution() -> None:
    """Within 1.2 times the Bayes risk after 2d examples, within 1.3 after 3d, at three standard errors."""
    ratio, stderr = over_bayes("transformer-d8", (16, 24))
    assert bool((ratio + 3 * stderr < torch.tensor([1.2, 1.3])).all()), ratio
    assert bool((ratio > 1).all())


@pytest.mark.parametrize("name", ["gpt2-tiny-d8-fixed", *MATCHED])
def test_matched_networks_learned_to_use_their_examples(name: str) -> None:
    ratio, _ = over_bayes(name, (4, 16), n_blocks=4)
    zero = torch.tensor([1.92, 31.0])  # of predicting 0, over Bayes
    assert bool((ratio < torch.tensor([0.8, 0.5]) * zero).all()), ratio
