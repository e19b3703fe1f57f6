"""Recipe files: what is read, and a corpus of broken ones, each refused with its place and the remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from icl_bench.cli.main import app
from icl_bench.errors import RecipeError
from icl_bench.training.recipe import Growth, Optimisation
from icl_bench.training.recipe_file import load_recipe
from tests.command import ROOT

GOOD = """[recipe]
name = "good"
version = 1

[network]
use = "gpt2"
n_layers = 1
width = 16

[prompts]
n_dims = 3
context_sizes = "0:6"
noise_std = 0.5

[[mixture]]
weight = 2.0

[[mixture]]
scenarios = [{ use = "covariate/scale", severity = 2.0 }]

[curriculum]
n_dims = { start = 1, step = 1, every = 5 }

[optimisation]
n_steps = 20
batch_size = 64
learning_rate = 1e-3

[evaluation]
every = 10
"""

# name -> (text to replace in GOOD, replacement, what the message must say, line it must name or None)
CORPUS: dict[str, tuple[str, str, str, int | None]] = {
    "network missing": (
        '[network]\nuse = "gpt2"\nn_layers = 1\nwidth = 16\n',
        "",
        "the table [network] is missing",
        None,
    ),
    "unknown table": ("[curriculum]", "[curiculum]", "did you mean 'curriculum'?", 21),
    "unknown architecture": ('use = "gpt2"', 'use = "gpt3"', "did you mean 'gpt2'?", 6),
    "nothing to train": (
        'use = "gpt2"\nn_layers = 1\nwidth = 16',
        'use = "ols"',
        "ols has nothing to train: expected an architecture",
        6,
    ),
    "unknown argument": ("width = 16", "widht = 16", "unknown argument 'widht' (did you mean 'width'?)", 5),
    "ill-typed argument": ("width = 16", 'width = "16"', "argument 'width': expected int", 5),
    "unknown position scheme": ("width = 16", 'positions = "sinus"', "argument 'positions'", 5),
    "unknown scenario": ("covariate/scale", "covariate/scal", "did you mean 'covariate/scale'?", 19),
    "severity missing": (", severity = 2.0 }", " }", "severity is missing", 19),
    "severity nan": ("severity = 2.0", "severity = nan", "covariate/scale at severity nan", 18),
    "severity outside the dial": ("severity = 2.0", "severity = 0.0", "expected a scale c > 0, got 0.0", 18),
    "unknown scenario argument": ("severity = 2.0", "severity = 2.0, by = 3", "unknown argument 'by'", 18),
    "unknown key of a component": ("weight = 2.0", "wieght = 2.0", "did you mean 'weight'?", 16),
    "rows of a table": ("n_dims = 3", 'n_dims = 10\nfunction_class = "table"', "no f to train on", 16),
    "weight zero": ("weight = 2.0", "weight = 0.0", "greater than 0", 16),
    "steps zero": ("n_steps = 20", "n_steps = 0", "greater than or equal to 1", 25),
    "batch between blocks": ("batch_size = 64", "batch_size = 96", "divisor or a multiple of 256", 24),
    "rate negative": ("1e-3", "-1e-3", "greater than 0", 27),
    "rate infinite": ("1e-3", "inf", "finite number", 27),
    "unknown optimiser": ("n_steps = 20", 'n_steps = 20\noptimiser = "lion"', "'adamw'", 26),
    "unknown target": ("n_steps = 20", 'n_steps = 20\ntarget = "truth"', "'label'", 26),
    "warmup as long as training": ("n_steps = 20", "n_steps = 20\nwarmup = 20", "fewer than n_steps", 24),
    "curriculum starts above": ("start = 1", "start = 9", "expected at most 3, got 9", 22),
    "dimensions differ in the mixture": (
        "weight = 2.0",
        "prompts = { n_dims = 4 }",
        "expected 3 in every part",
        16,
    ),
    "sizes missing": ('context_sizes = "0:6"\n', "", "context_sizes is missing", 10),
    "dimensions zero": ("n_dims = 3", "n_dims = 0", "greater than or equal to 1", 11),
    "dimensions beyond reason": ("n_dims = 3", "n_dims = 5000", "less than or equal to 4096", 11),
    "not TOML": ('[recipe]\nname = "good"', "[recipe\nname", "not valid TOML", 1),
}


@pytest.mark.parametrize("name", CORPUS)
def test_broken_recipes_are_refused_with_the_place_and_the_remedy(name: str, tmp_path: Path) -> None:
    old, new, message, line = CORPUS[name]
    assert old in GOOD
    path = tmp_path / "broken.toml"
    path.write_text(GOOD.replace(old, new))
    result = CliRunner().invoke(app, ["train", str(path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2, result.output
    assert message in result.output
    if line is not None:
        assert re.search(rf"broken\.toml:{line}\b", result.output), result.output
    assert not (tmp_path / "out" / "card.toml").exists()


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(GOOD.replace("n_steps = 20", "n_steps = 0").replace("n_dims = 3", "n_dims = 0"))
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert len(caught.value.problems) == 2


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        result = CliRunner().invoke(app, ["train", str(path)])
        assert result.exit_code == 2
        assert "recipe" in result.output


def test_the_digest_is_of_what_decides_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"

    def digest(text: str) -> str:
        path.write_text(text)
        return load_recipe(path).digest

    original = digest(GOOD)
    assert digest(GOOD.replace("every = 10", "every = 7")) == original  # how often it is measured
    assert digest("# a remark\n" + GOOD.replace('name = "good"', 'name = "other"')) == original
    for old, new in (("1e-3", "2e-3"), ("width = 16", "width = 32"), ("severity = 2.0", "severity = 3.0")):
        assert digest(GOOD.replace(old, new)) != original


def test_learning_rates_follow_the_schedule() -> None:
    settings = Optimisation(n_steps=110, learning_rate=2.0, warmup=10, schedule="cosine", final_share=0.1)
    assert settings.learning_rate_at(0) == pytest.approx(0.2)
    assert settings.learning_rate_at(9) == pytest.approx(2.0)
    assert settings.learning_rate_at(60) == pytest.approx(1.1)  # half way between 2 and 0.2
    assert settings.learning_rate_at(110) == pytest.approx(0.2)
    linear = Optimisation(n_steps=100, learning_rate=1.0, schedule="linear")
    assert linear.learning_rate_at(25) == pytest.approx(0.75)
    assert Optimisation(n_steps=100, schedule="constant").learning_rate_at(99) == pytest.approx(1e-3)


def test_a_curriculum_grows_by_steps_and_stops() -> None:
    growth = Growth(start=5, step=2, every=10)
    assert [growth.at(step, 8) for step in (0, 9, 10, 19, 20, 1000)] == [5, 5, 7, 7, 8, 8]


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_is_sound_and_named_as_its_file(path: Path) -> None:
    assert load_recipe(path).name == path.stem
