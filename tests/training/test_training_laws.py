"""A suite's training law, a model's own, and a recipe's: one law from one text, the same for whoever is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from icl_bench import Run, run_suite
from icl_bench.assembly.identity import model_digest
from icl_bench.assembly.laws import SuiteLaws
from icl_bench.checkpoints.folder import read_checkpoint
from icl_bench.cli.main import app
from icl_bench.errors import SuiteError
from icl_bench.laws.law import PromptLaw
from icl_bench.layers.linear_self_attention import CornerLayer
from icl_bench.plugins.protocols import Model
from icl_bench.run.validation import validate_suite
from icl_bench.suites.plan import make_plan
from icl_bench.suites.suite_file import load_suite
from icl_bench.tables.training_table import read_training
from icl_bench.theory.linear_self_attention import global_minimum, one_layer_risk
from icl_bench.training.batches import PromptSource
from icl_bench.training.recipe_file import load_recipe
from icl_bench.training.train import train

Z = 4.5
D, N = 4, 8
ROTATED = 'use = "covariate/spectrum", severity = 2.0, fixed_rotation = true'

RECIPE = f"""[recipe]
name = "rotated"
version = 1

[network]
use = "linear_attention_layer"
blocks = "corner"

[prompts]
n_dims = {D}
context_sizes = [{N}]

[[mixture]]
scenarios = [{{ {ROTATED} }}]

[optimisation]
n_steps = 600
optimiser = "adam"
learning_rate = 2e-2
clip = 0.0
target = "population"
precision = "float64"

[evaluation]
n_prompts = 4096
"""

SUITE = f"""[suite]
name = "rotated"
version = 1

[prompts]
n_dims = {D}
context_sizes = [{N}]
n_prompts = 1024
seeds = [0, 1]

[training]
scenarios = [{{ {ROTATED} }}]

[[models]]
use = "checkpoint"
name = "trained"
path = "trained"

[[models]]
use = "linear_self_attention"
name = "theorem"

[[models]]
use = "linear_self_attention"
name = "optimal"
weights = "optimal"

[[scenarios]]
use = "covariate/spectrum"
fixed_rotation = true
severities = [2.0]

[metrics]
use = ["squared_error", "exact_risk"]
"""


@dataclass(frozen=True)
class Rotated:
    """A layer trained under one rotated covariance, and a suite that asks it under the same one."""

    trained: Path
    law: PromptLaw  # of the recipe
    run: Run

    @property
    def matrix(self) -> torch.Tensor:
        learner = read_checkpoint(self.trained).learner
        assert isinstance(learner, CornerLayer)
        return learner.matrix.detach()

    @property
    def exact(self) -> float:
        """The risk of the trained layer on its law."""
        context, query = self.law.training_moments()
        omega = self.law.prior.second_moment()
        assert omega is not None
        return float(one_layer_risk(self.matrix, context, query, omega, 0.0, N))


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> Rotated:
    folder = tmp_path_factory.mktemp("rotated")
    (folder / "recipe.toml").write_text(RECIPE)
    (folder / "suite.toml").write_text(SUITE)
    trained = train(folder / "recipe.toml", folder / "trained", device="cpu")
    (law,) = PromptSource(load_recipe(folder / "recipe.toml"), ahead=0).laws
    return Rotated(trained, law, run_suite(folder / "suite.toml", out=folder / "run"))


def test_training_under_a_fixed_rotation_reaches_theorem_4_1_for_that_covariance(rotated: Rotated) -> None:
    covariance = rotated.law.training_moments()[0].covariance[0]
    assert not torch.allclose(covariance, torch.diag(covariance.diagonal()), atol=0.1)
    expected = global_minimum(covariance, N)
    assert float((rotated.matrix - expected).norm() / expected.norm()) < 1e-3


def test_on_every_seed_the_suite_asks_under_the_covariance_of_training(rotated: Rotated) -> None:
    """Trained, Theorem 4.1's and the optimal layer agree on each prompt; their errors have the exact risk."""
    losses = rotated.run.losses
    for seed in (0, 1):
        own = losses[losses.seed == seed]
        by_model = own.pivot(index="prompt", columns="model", values="squared_error")
        assert len(by_model) == 1024
        for other in ("theorem", "optimal"):
            np.testing.assert_allclose(by_model["trained"], by_model[other], rtol=1e-3, atol=1e-5)
        trained = own[own.model == "trained"]
        given_x = trained.squared_error - trained.exact_risk
        for sample in (trained.squared_error - rotated.exact, given_x, trained.exact_risk - rotated.exact):
            values = sample.to_numpy().astype(np.float64)
            assert abs(values.mean()) < Z * values.std() / len(values) ** 0.5, seed


def test_what_training_prints_is_the_exact_loss(rotated: Rotated) -> None:
    rows = read_training(rotated.trained / "training.parquet")
    loss = [row["value"] for row in rows if row["metric"] == "loss"][-1]
    assert loss == pytest.approx(rotated.exact, rel=1e-9)
    (risk,) = [row for row in rows if row["metric"] == "squared_error"]
    assert abs(risk["value"] - rotated.exact) < Z * risk["stderr"]


def test_another_law_number_is_another_covariance(tmp_path: Path) -> None:
    laws = []
    for number in (0, 1):
        (tmp_path / "suite.toml").write_text(
            SUITE.replace("fixed_rotation = true", f"fixed_rotation = true, law_number = {number}", 1)
        )
        laws.append(SuiteLaws(load_suite(tmp_path / "suite.toml")).training())
    one, other = (law.training_moments()[0].covariance for law in laws)
    assert not torch.allclose(one, other)


# Training laws in a suite file.

MODELS: dict[str, str] = {
    "bayes_train": 'use = "bayes_train"',
    "ridge-bayes": 'use = "ridge"\nname = "ridge-bayes"',
    "gradient_descent": 'use = "gradient_descent"',
    "preconditioned_gd": 'use = "preconditioned_gd"',
    "optimal": 'use = "linear_self_attention"\nname = "optimal"\nweights = "optimal"',
    "theorem": 'use = "linear_self_attention"\nname = "theorem"',
}
PLAIN = """[suite]
name = "plain"
version = 1

[prompts]
n_dims = 3
context_sizes = [0, 2, 4]
noise_std = 0.5
n_prompts = 256

{training}
{models}
[[scenarios]]
use = "base"

[[scenarios]]
use = "covariate/scale"
severities = [2.0]

[metrics]
use = ["squared_error"]
"""
OWN = f'n_context = 3, noise_std = 1.5, scenarios = [{{ use = "task/scale", severity = 2.0 }}, {{ {ROTATED} }}]'


def suite_text(own: str = "", of_suite: str = "") -> str:
    training = f"[training]\n{of_suite}\n" if of_suite else ""
    ending = f"\ntraining = {{ {own} }}\n\n" if own else "\n\n"
    return PLAIN.format(training=training, models="".join(f"[[models]]\n{text}{ending}" for text in MODELS.values()))


def written(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "suite.toml").write_text(text)
    return folder / "suite.toml"


def errors_of(folder: Path, text: str) -> pd.DataFrame:
    run = run_suite(written(folder, text), out=folder / "run")
    assert set(run.scores.status) == {"ok"}
    return run.losses.pivot(index=["scenario", "context_size", "prompt"], columns="model", values="squared_error")


def test_a_law_of_a_models_own_gives_what_the_suites_training_law_does_to_the_bit(tmp_path: Path) -> None:
    of_suite = OWN.replace(", noise_std", "\nnoise_std").replace(", scenarios", "\nscenarios")
    own, whole = (
        errors_of(tmp_path / "own", suite_text(own=OWN)),
        errors_of(tmp_path / "suite", suite_text(of_suite=of_suite)),
    )
    pd.testing.assert_frame_equal(own, whole, check_exact=True)
    plain = errors_of(tmp_path / "plain", suite_text())
    for name in MODELS:
        assert not np.array_equal(own[name], plain[name]), name


def test_what_a_model_does_not_name_is_the_suites(tmp_path: Path) -> None:
    text = suite_text(own="noise_std = 1.0", of_suite=f"n_context = 3\nscenarios = [{{ {ROTATED} }}]")
    suite = load_suite(written(tmp_path, text))
    of_suite, own = SuiteLaws(suite).training(), SuiteLaws(suite).training(suite.models[0])
    assert (own.sizes, own.covariates, own.prior) == (of_suite.sizes, of_suite.covariates, of_suite.prior)
    assert (of_suite.noise.variance, own.noise.variance) == (0.25, 1.0)
    shorter = load_suite(written(tmp_path, suite_text(own="n_context = 2", of_suite="noise_std = 2.0")))
    law = SuiteLaws(shorter).training(shorter.models[0])
    assert (law.sizes.n_context, law.noise.variance) == (2, 4.0)
    unshifted = load_suite(written(tmp_path, text.replace("noise_std = 1.0", "scenarios = []")))
    assert SuiteLaws(unshifted).training(unshifted.models[0]).covariates == ()


def test_training_and_test_laws_of_one_scenario_are_one_law(tmp_path: Path) -> None:
    text = SUITE.split("[[models]]")[0] + '[[models]]\nuse = "zero"\n\n[[scenarios]]' + SUITE.split("[[scenarios]]")[1]
    suite = load_suite(written(tmp_path, text))
    laws = [SuiteLaws(suite).cell(prompt_set).law for prompt_set in make_plan(suite).prompt_sets]
    assert laws == [SuiteLaws(suite).training()] * 2


def test_a_models_digest_follows_its_training_law(tmp_path: Path) -> None:
    def digests(own: str, of_suite: str = "") -> list[str]:
        suite = load_suite(written(tmp_path, suite_text(own, of_suite)))
        return [model_digest(suite, spec) for spec in suite.models]

    first = digests(OWN)
    assert digests(OWN, "n_context = 2") == first  # where the file says it does not matter
    for other in (
        OWN.replace("1.5", "1.6"),
        OWN.replace("2.0", "2.5", 1),
        OWN.replace("n_context = 3", "n_context = 2"),
        "",
    ):
        assert not set(digests(other)) & set(first), other


def test_a_suites_digest_follows_its_training_law_and_not_its_lines(tmp_path: Path) -> None:
    def digests(text: str) -> tuple[str, str]:
        suite = load_suite(written(tmp_path, text))
        return suite.digest, suite.question_digest

    text = suite_text(own=OWN, of_suite="n_context = 3")
    assert digests(f"# a remark\n\n{text}") == digests(text)
    changed = digests(text.replace("[training]\nn_context = 3", f"[training]\nscenarios = [{{ {ROTATED} }}]"))
    assert not set(changed) & set(digests(text))
    own = digests(text.replace("1.5", "1.6"))
    assert own[0] != digests(text)[0]
    assert own[1] == digests(text)[1]  # which models are asked is no part of the question


CLOSED = {"gradient_descent"}
"""Needs nothing of its training law but the length."""


@pytest.mark.parametrize(
    ("scenario", "answered"),
    [
        ('use = "noise/heavy_tail", severity = 3.0', {"ridge-bayes", "preconditioned_gd", "optimal", "theorem"}),
        ('use = "covariate/errors_in_variables", severity = 0.5', set()),
        ('use = "noise/heteroscedastic", severity = 1.0', {"bayes_train"}),
        ('use = "covariate/heavy_tail", severity = 5.0', {"bayes_train", "ridge-bayes"}),
        ('use = "task/change_point", severity = 0.5', {"bayes_train"}),
        ('use = "covariate/mean", severity = 1.0', {"bayes_train", "ridge-bayes"}),
        (
            'use = "covariate/subspace", severity = 0.67, fixed_rotation = true',
            {"bayes_train", "ridge-bayes", "preconditioned_gd", "optimal", "theorem"},
        ),
    ],
)
def test_what_does_not_follow_from_a_training_law_is_skipped_with_the_reason(
    scenario: str, answered: set[str], tmp_path: Path
) -> None:
    run = run_suite(written(tmp_path, suite_text(own=f"scenarios = [{{ {scenario} }}]")), out=tmp_path / "run")
    scores = run.scores[run.scores.scenario == "base"]
    scores = scores[scores.model != "(prompts)"]
    found = {model: set(rows.status) for model, rows in scores.groupby("model")}
    assert found == {name: {"ok" if name in answered | CLOSED else "skipped"} for name in MODELS}
    assert all(scores[scores.status == "skipped"].message.str.len() > 20)


REFUSED = {
    "severity of the suite": (
        "",
        'n_context = 4\nscenarios = [{ use = "covariate/scale", severity = -1.0 }]',
        r"suite\.toml:11: \[training\]: covariate/scale at severity -1\.0: expected a scale c > 0",
    ),
    "severity of a model": (
        'scenarios = [{ use = "covariate/scale", severity = -1.0 }]',
        "",
        r"suite\.toml:14: training of model 'bayes_train': covariate/scale at severity -1\.0: expected a scale",
    ),
    "no change to be had": (
        'scenarios = [{ use = "task/change_point", severity = 0.01 }]',
        "",
        r"suite\.toml:14: training of model 'bayes_train': task/change_point at severity 0\.01: expected a change",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_severity_that_training_cannot_have_is_refused_where_it_stands(name: str, tmp_path: Path) -> None:
    own, of_suite, said = REFUSED[name]
    path = written(tmp_path, suite_text(own, of_suite))
    with pytest.raises(SuiteError, match=said):
        run_suite(path, out=tmp_path / "run")
    with pytest.raises(SuiteError, match=said) as caught:
        validate_suite(path, None)
    assert len(caught.value.problems) == (1 if of_suite else len(MODELS))
    assert not (tmp_path / "run").exists()


def test_validation_binds_each_model_to_its_own_law(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from icl_bench.run import validation

    seen: list[PromptLaw] = []

    def noted(model: Model, training: PromptLaw, test: PromptLaw) -> Model:
        seen.append(training)
        return model

    monkeypatch.setattr(validation, "bound", noted)
    path = written(tmp_path, suite_text(own=OWN))
    validate_suite(path, None)
    suite = load_suite(path)
    assert seen == [SuiteLaws(suite).training(spec) for spec in suite.models]


def test_show_tells_training_laws(tmp_path: Path) -> None:
    of_suite = f"n_context = 3\nnoise_std = 0.25\nscenarios = [{{ {ROTATED} }}]"
    text = suite_text(of_suite=of_suite).replace('use = "bayes_train"', f'use = "bayes_train"\ntraining = {{ {OWN} }}')
    text = text.replace("noise_std = 0.5", "noise_std = 0.5\nfunction_class_arguments = { covariance = [4, 1, 1] }")
    result = CliRunner().invoke(app, ["show", str(written(tmp_path, text))])
    assert result.exit_code == 0, result.output
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert (
        "context sizes: 0, 2, 4; learners trained on 3 examples, noise standard deviation 0.25,"
        " covariate/spectrum 2 (fixed_rotation = True)" in lines
    )
    assert (
        "bayes_train  trained on its own law, 3 examples, noise standard deviation 1.5,"
        " task/scale 2 then covariate/spectrum 2 (fixed_rotation = True)" in lines
    )
    assert "gradient_descent" in lines  # its law is the suite's
    assert any(line.startswith("prompts: linear(covariance = [4, 1, 1]), 3 dimensions") for line in lines)
    told = CliRunner().invoke(app, ["show", str(tmp_path / "suite.toml"), "--json"])
    assert '"n_context": 3' in told.stdout


def test_one_model_under_two_laws_is_two_models(tmp_path: Path) -> None:
    two = MODELS["bayes_train"] + '\n\n[[models]]\nuse = "bayes_train"\nname = "own"\ntraining = { ' + OWN + " }\n\n"
    text = PLAIN.format(training="", models=f"[[models]]\n{two}").replace(
        'use = ["squared_error"]', 'use = ["squared_error", "agreement:bayes_train"]'
    )
    losses = errors_of(tmp_path, text)
    assert not np.array_equal(losses["bayes_train"], losses["own"])
    only = PLAIN.format(training="", models=f"[[models]]\n{two.split('[[models]]')[1]}")
    np.testing.assert_array_equal(errors_of(tmp_path / "only", only)["own"], losses["own"])
