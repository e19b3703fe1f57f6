"""Plugins of every kind, from a user's file and from an installed package: validated, run; broken ones are refused.

The toys and their broken twins are in `toys.py`; nothing in the package is written for any of them.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from icl_bench import read_run
from icl_bench.contracts.architectures import architecture_violations, is_architecture
from icl_bench.contracts.executors import executor_violations
from icl_bench.contracts.function_classes import function_class_violations
from icl_bench.plugins import catalogue, loading
from tests.command import command
from tests.toys import TOYS, TWINS, Toy, in_file, in_package, suite_using

HOMES = ("file", "package")
Written = Callable[[str, Toy, str], list[str]]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    """Write a toy where it lives and a suite that uses it; give the arguments of a verb."""
    monkeypatch.chdir(tmp_path)

    def write(kind: str, toy: Toy, home: str) -> list[str]:
        use = in_file(tmp_path, toy) if home == "file" else in_package(tmp_path, toy, monkeypatch)
        (tmp_path / "suite.toml").write_text(suite_using(kind, use))
        return ["suite.toml", *(["--executor", use] if kind == "executors" else [])]

    yield write
    catalogue.entries.cache_clear()


def said_by(*arguments: str) -> tuple[int, str]:
    """Run the command; return its exit code and all that it printed."""
    done = command(*arguments)
    return done.exit_code, done.output


def serially(arguments: list[str]) -> list[str]:
    return arguments if "--executor" in arguments else [*arguments, "--executor", "serial"]


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("kind", TOYS)
def test_a_toy_of_every_kind_is_validated_and_run(kind: str, home: str, written: Written) -> None:
    arguments = written(kind, TOYS[kind], home)
    code, said = said_by("validate", *arguments)
    assert code == 0, said
    checked = {
        "scenarios": "contracts of scenario",
        "function_classes": "function class",
        "metrics": "metric",
        "executors": "executor",
    }
    assert f"ok   {checked.get(kind, 'model')} " in said
    code, said = said_by("run", *serially(arguments), "--out", "out")
    assert code == 0, said
    scores = read_run("out").scores
    assert set(scores["status"]) == {"ok"}
    risks = scores[scores["metric"] == "bayes_risk"]
    assert bool((risks["mean"] > 0).all())


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("name", TWINS)
def test_a_broken_twin_is_refused_by_name(name: str, home: str, written: Written) -> None:
    twin = TWINS[name]
    toy = TOYS[twin.kind]
    assert twin.old in toy.source
    broken = dataclasses.replace(toy, source=toy.source.replace(twin.old, twin.new))
    arguments = written(twin.kind, broken, home)
    code, said = said_by("validate", *arguments)
    assert code == 2, said
    assert twin.said in said
    if home == "file":
        code, said = said_by("run", *serially(arguments), "--out", "out")
        assert code == twin.in_run, said
        if code == 2:
            assert twin.said in said


BOOM = '__import__("builtins").exec("raise RuntimeError(\'boom\')")'
RAISING = {
    "scenarios: import": ("scenarios", "@dataclass(frozen=True)\nclass Flip", "BOOM\n\n\nclass Flip"),
    "scenarios: exit on import": (
        "scenarios",
        "@dataclass(frozen=True)\nclass Flip",
        "raise SystemExit('boom')\n\n\nclass Flip",
    ),
    "scenarios: building": (
        "scenarios",
        "    severities =",
        "    def __post_init__(self):\n        BOOM\n\n    severities =",
    ),
    "scenarios: identity": ("scenarios", "return 0.0", "BOOM"),
    "scenarios: shift": (
        "scenarios",
        "if severity not in (0.0, 1.0):",
        "if severity == 1.0:\n            BOOM\n        if False:",
    ),
    "scenarios: severities": (
        "scenarios",
        "    severities = (0.0, 1.0)",
        "    severities = property(lambda self: BOOM)",
    ),
    "scenarios: stage": ("scenarios", "    severities =", "    stage = property(lambda self: BOOM)\n    severities ="),
    "scenarios: name": ("scenarios", "    severities =", "    name = property(lambda self: BOOM)\n    severities ="),
    "scenarios: headline": (
        "scenarios",
        "    def identity",
        "    def headline_size(self, law):\n        BOOM\n\n    def identity",
    ),
    "scenarios: moments": (
        "scenarios",
        "    def move",
        "    def moments(self, before, draws):\n        BOOM\n\n    def move",
    ),
    "function_classes: gaussian": ("function_classes", "gaussian = True", "gaussian = property(lambda self: BOOM)"),
    "function_classes: draw": ("function_classes", 'return draws.per_prompt("weights", (self.n_dims,))', "BOOM"),
    "function_classes: value": ("function_classes", "return (x.square() * hidden[:, None, :]).sum(-1)", "BOOM"),
    "function_classes: kernel": ("function_classes", "return first_x.square() @ second_x.square().mT", "BOOM"),
    "function_classes: second moment": (
        "function_classes",
        "    def kernel",
        "    def second_moment(self):\n        BOOM\n\n    def kernel",
    ),
    "function_classes: posterior": (
        "function_classes",
        "    def kernel",
        "    def posterior(self, *args):\n        BOOM\n\n    def kernel",
    ),
    "models: building": ("models", "    def predict", "    def __init__(self):\n        BOOM\n\n    def predict"),
    "models: bind": ("models", "    def predict", "    def bind(self, training):\n        BOOM\n\n    def predict"),
    "models: predict": ("models", "        seen", "        BOOM\n        seen"),
    "architectures: build": ("architectures", "return RunningMean(self.width)", "BOOM"),
    "architectures: forward": ("architectures", "        sums", "        BOOM\n        sums"),
    "metrics: losses": ("metrics", "        return (", "        BOOM\n        return ("),
    "metrics: unit": ("metrics", 'unit = "label"', "unit = property(lambda self: BOOM)"),
    "executors: building": ("executors", "        pass", "        BOOM"),
    "executors: enter": ("executors", "return self", "BOOM"),
    "executors: exit": ("executors", "return None", "BOOM"),
}
"""What a plugin may raise, and where: kind, a place in its toy, and what stands there instead (BOOM raises)."""


@pytest.mark.parametrize("name", RAISING)
def test_whatever_a_plugin_raises_is_told_and_never_an_internal_error(name: str, written: Written) -> None:
    kind, old, new = RAISING[name]
    assert old in TOYS[kind].source
    arguments = written(
        kind, dataclasses.replace(TOYS[kind], source=TOYS[kind].source.replace(old, new.replace("BOOM", BOOM))), "file"
    )
    code, said = said_by("validate", *arguments)
    assert code == 2, said
    assert "boom" in said
    code, said = said_by("run", *serially(arguments), "--out", "out", "--json")
    assert code in (2, 4), said
    if code == 4:
        messages = read_run("out").scores["message"]
        assert any("boom" in message for message in messages)
    else:
        assert "boom" in said


def test_a_function_class_of_a_file_is_relative_to_the_suite_and_part_of_the_question(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In [prompts], in a scenario's own prompts, and from another folder; an edited file asks another question."""
    written("function_classes", TOYS["function_classes"], "file")
    suite = tmp_path / "suite.toml"
    text = suite.read_text()
    own = 'prompts = {function_class = "./toy.py:Squares", context_sizes = [0, 1]}\n'
    suite.write_text(
        text.replace('function_class = "./toy.py:Squares"\n', "").replace('use = "base"\n', f'use = "base"\n{own}')
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    digests = []
    for tau in (1, 2):
        code, said = said_by("run", str(suite), "--executor", "serial", "--out", f"out{tau}", "--json")
        assert code == 0, said
        digests.append(read_run(f"out{tau}").manifest.run_digest)
        toy = tmp_path / "toy.py"
        toy.write_text(toy.read_text().replace("Weighted sums", "Sums"))
    assert digests[0] != digests[1]
    suite.write_text(suite.read_text().replace("toy.py", "toys.py"))
    code, said = said_by("validate", str(suite))
    assert code == 2
    assert f"no such file: {tmp_path / 'toys.py'}" in said
    assert "scenarios[0].prompts.function_class" in said


def test_a_recipe_takes_a_function_class_of_a_file(written: Written, tmp_path: Path) -> None:
    written("function_classes", TOYS["function_classes"], "file")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        '[recipe]\nname = "toys"\nversion = 1\n[network]\nuse = "linear_attention_layer"\n'
        '[prompts]\nfunction_class = "./toy.py:Squares"\nn_dims = 2\ncontext_sizes = [1, 2]\n'
        "[optimisation]\nn_steps = 2\n"
    )
    code, said = said_by("train", str(recipe), "--out", "trained")
    assert code == 0, said
    toy = tmp_path / "toy.py"
    toy.write_text(toy.read_text().replace("hidden[:, None, :]", "hidden.nothing"))
    code, said = said_by("train", str(recipe), "--out", "broken")
    assert code == 2, said
    assert "Squares.value: AttributeError" in said


def test_a_trained_network_of_a_file_is_a_checkpoint_like_any(written: Written, tmp_path: Path) -> None:
    written("architectures", TOYS["architectures"], "file")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        '[recipe]\nname = "toys"\nversion = 1\n[network]\nuse = "./toy.py:MeanNetwork"\n'
        "[prompts]\nn_dims = 3\ncontext_sizes = [0, 2, 4]\n[optimisation]\nn_steps = 2\n"
    )
    code, said = said_by("train", str(recipe), "--out", "trained")
    assert code == 0, said
    suite = tmp_path / "suite.toml"
    asked = 'use = "checkpoint"\npath = "trained"\narchitecture = "./toy.py:MeanNetwork"'
    suite.write_text(suite.read_text().replace('use = "./toy.py:MeanNetwork"', asked))
    code, said = said_by("validate", "suite.toml")
    assert code == 0, said
    code, said = said_by("run", "suite.toml", "--executor", "serial", "--out", "out")
    assert code == 0, said
    toy = tmp_path / "toy.py"
    toy.write_text(toy.read_text().replace("cumsum(1)", "nothing(1)"))
    code, said = said_by("train", str(recipe), "--out", "broken")
    assert code == 2, said
    assert "network ./toy.py:MeanNetwork fails in training: AttributeError" in said


def test_what_has_moved_since_0_1_names_the_page(written: Written, tmp_path: Path) -> None:
    toy = TOYS["scenarios"]
    for wanted in ("icl_bench.laws.covariates import Scaled", "icl_bench.laws.noise import GaussianNoise",
                   "icl_bench.plugins.protocols import BindsLaws"):  # fmt: skip
        arguments = written("scenarios", dataclasses.replace(toy, source=f"from {wanted}\n{toy.source}"), "file")
        code, said = said_by("validate", *arguments)
        assert code == 2, said
        assert "docs/plugins-0.2.md" in said


def test_workers_find_what_a_suite_takes_from_files(written: Written, tmp_path: Path) -> None:
    """A scenario and a function class, in two processes as in one."""
    written("function_classes", TOYS["function_classes"], "file")
    (tmp_path / "flip.py").write_text(TOYS["scenarios"].source.lstrip())
    suite = tmp_path / "suite.toml"
    dial = '[[scenarios]]\nuse = "./flip.py:Flip"\nname = "toy/flip"\nseverities = [1.0]\n'
    suite.write_text(suite.read_text().replace("[metrics]", f"{dial}[metrics]"))
    code, said = said_by("run", "suite.toml", "--executor", "serial", "--out", "one")
    assert code == 0, said
    done = command("run", "suite.toml", "--workers", "2", "--out", "two", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["prompt_digests"] == read_run("one").manifest.prompt_digests


@pytest.mark.parametrize("name", sorted(catalogue.entries("function_classes")))
def test_every_function_class_keeps_its_contracts(name: str) -> None:
    arguments = {"n_dims": 10 if name == "table" else 4}
    assert list(function_class_violations(loading.build("function_classes", name, arguments))) == []


@pytest.mark.parametrize("name", sorted(catalogue.entries("executors")))
def test_every_executor_keeps_its_contracts(name: str) -> None:
    assert list(executor_violations(loading.plugin_class("executors", name), name)) == []


def test_every_architecture_keeps_its_contracts() -> None:
    built = [
        loading.build("models", name, {})
        for name in sorted(catalogue.entries("models"))
        if is_architecture(loading.plugin_class("models", name))
    ]
    assert len(built) > 10
    for architecture in built:
        assert list(architecture_violations(architecture, 4)) == [], type(architecture).__name__


@pytest.mark.parametrize("kind", TOYS)
def test_a_toy_is_shown(kind: str, written: Written) -> None:
    written(kind, TOYS[kind], "file")
    code, said = said_by("show", f"./toy.py:{TOYS[kind].name}")
    assert code == 0, said
    assert TOYS[kind].name in said
