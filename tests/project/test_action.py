"""The GitHub Action: its file is consistent, and its script does in a small repository what it promises."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from icl_bench.compare.baseline_folder import baseline_digest
from icl_bench.scores.summary import summarise
from icl_bench.tables.stored_losses import open_losses
from tests.command import ROOT, command

SCRIPT = (ROOT / "action" / "gate.sh").read_text()
SCALED = """
from dataclasses import dataclass
import torch
from icl_bench import Prediction, load_model

@dataclass(frozen=True)
class Scaled:
    factor: float = 1.0
    def predict(self, prompts):
        return Prediction(self.factor * load_model("averaging").predict(prompts).mean)
"""
SUITE = """
[suite]
name = "gated"
version = 1
[prompts]
n_dims = 2
context_sizes = [0, 4, 8]
noise_std = 0.5
n_prompts = 512
[training]
n_context = 8
[[models]]
use = "bayes"
[[models]]
use = "./own.py:Scaled"
name = "mine"
factor = 0.9
[[scenarios]]
use = "base"
[[scenarios]]
use = "covariate/scale"
severities = [2.0]
"""


@pytest.fixture(scope="module")
def action() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "action.yml").read_text())


def gate_step(action: dict[str, Any]) -> dict[str, Any]:
    (step,) = [step for step in action["runs"]["steps"] if step.get("id") == "gate"]
    return step


def test_every_input_is_used_and_none_as_shell_text(action):
    steps = json.dumps(action["runs"])
    assert set(re.findall(r"inputs\.([a-z-]+)", steps)) == set(action["inputs"])
    for step in action["runs"]["steps"]:
        assert "${{" not in step.get("run", "")  # an input in a script would be run


def test_the_script_reads_what_the_action_sets(action):
    given = set(gate_step(action)["env"]) - {"HERE"}
    read = set(re.findall(r"\$\{([A-Z_]+)(?::[-?]|\})", SCRIPT)) | set(re.findall(r"\$([A-Z_]+)", SCRIPT))
    (passed,) = re.findall(r"for option in (.*); do", SCRIPT)
    read |= {option.upper().replace("-", "_") for option in passed.split()}
    assert given <= read
    assert {name for name in read if not name.startswith("GITHUB_")} - given <= {"PROMPTS", "WORKERS", "TIME_LIMIT"}


def test_the_script_passes_options_that_the_verb_has():
    (passed,) = re.findall(r"for option in (.*); do", SCRIPT)
    shown = command("gate", "--help").stdout
    assert all(f"--{option} " in shown for option in [*passed.split(), "allow-missing", "baseline", "format"])


def test_the_projects_own_ci_goes_the_same_way(action):
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    uses = [step for step in workflow["jobs"]["gate"]["steps"] if step.get("uses") == "./"]
    assert set(uses[0]["with"]) <= set(action["inputs"])
    assert {name for name, item in action["inputs"].items() if item.get("required")} <= set(uses[0]["with"])
    assert "make gate" in (ROOT / ".ci" / "run").read_text()
    assert "bash action/gate.sh" in (ROOT / "Makefile").read_text()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's repository: a suite, a model beside it, and a committed baseline."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "own.py").write_text(SCALED)
    (folder / "gated.toml").write_text(SUITE)
    assert gate(folder, update=True).returncode == 0
    return folder


def gate(folder: Path, update: bool = False, **settings: str) -> subprocess.CompletedProcess[str]:
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    command = f'#!/bin/sh\nexec "{sys.executable}" -c "from icl_bench.cli.main import main; main()" "$@"\n'
    (tools / "icl-bench").write_text(command)
    (tools / "icl-bench").chmod(0o755)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")},
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "NO_COLOR": "1",
        "SUITE": "gated.toml",
        "BASELINE": "baseline",
        "OUT": "out",
        **settings,
    }
    script = "icl-bench run $SUITE --out first >/dev/null && icl-bench compare $BASELINE first --update"
    arguments = ["bash", "-c", script] if update else ["bash", str(ROOT / "action" / "gate.sh")]
    return subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Path:
    """A clean checkout of the repository."""
    for name in ("own.py", "gated.toml"):
        shutil.copy(repository / name, tmp_path)
    shutil.copytree(repository / "baseline", tmp_path / "baseline")
    return tmp_path


def test_an_unchanged_repository_passes(checkout):
    summary, output = checkout / "summary.md", checkout / "output.txt"
    done = gate(checkout, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary), GITHUB_OUTPUT=str(output))
    assert done.returncode == 0, done.stderr
    assert output.read_text() == "exit-code=0\n"
    assert "PASS" in summary.read_text()
    assert "mine" in (checkout / "out" / "report.html").read_text()
    assert {cell["verdict"] for cell in json.loads((checkout / "out" / "comparison.json").read_text())["cells"]} == {
        "equal"
    }
    assert ElementTree.parse(checkout / "out" / "comparison.xml").getroot() is not None


def test_a_worsened_model_fails_and_is_named(checkout):
    suite = (checkout / "gated.toml").read_text()
    (checkout / "gated.toml").write_text(suite.replace("factor = 0.9", "factor = 0.3"))
    summary, output = checkout / "summary.md", checkout / "output.txt"
    done = gate(checkout, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary), GITHUB_OUTPUT=str(output))
    assert done.returncode == 1, done.stderr
    assert output.read_text() == "exit-code=1\n"
    assert any(line.startswith("::error") and "mine" in line for line in done.stdout.splitlines())
    assert "mine" in summary.read_text()
    moved = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "scores_moved.py"), str(checkout / "out" / "comparison.json")],
        capture_output=True,
        text=True,
    )
    assert moved.returncode == 1
    assert "CHANGELOG" in moved.stdout


def test_a_failed_model_is_incomplete_unless_allowed(checkout):
    (checkout / "own.py").write_text(SCALED.replace("return Prediction", "raise ValueError\n        return Prediction"))
    assert gate(checkout).returncode == 4
    assert gate(checkout, ALLOW_MISSING="true").returncode == 0


def test_another_question_and_bad_settings_have_their_codes(checkout):
    assert gate(checkout, PROMPTS="256").returncode == 3
    assert gate(checkout, MARGIN="lots").returncode == 2
    assert gate(checkout, SUITE="none.toml").returncode == 2
    output = checkout / "output.txt"
    done = gate(checkout, BASELINE="", GITHUB_OUTPUT=str(output))
    assert (done.returncode, output.read_text()) == (2, "exit-code=2\n")
    assert "BASELINE is empty" in done.stderr


@pytest.fixture
def arguments(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Run the script with a word for a switch and an `icl-bench` that prints what it is given."""
    tool = tmp_path / "icl-bench"
    tool.write_text('#!/bin/sh\necho "$@"\n')
    tool.chmod(0o755)

    def run(word: str) -> subprocess.CompletedProcess[str]:
        given = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SUITE": "s", "BASELINE": "b", "ALLOW_MISSING": word}
        script = ["bash", str(ROOT / "action" / "gate.sh")]
        return subprocess.run(script, env=given, capture_output=True, text=True, timeout=60)

    return run


@pytest.mark.parametrize("word", ["true", "TRUE", "True", "yes", "Yes", "on", "ON", "1", "y", "t", " true ", "true\n"])
def test_words_that_switch_on(arguments, word):
    assert "--allow-missing" in arguments(word).stdout


@pytest.mark.parametrize("word", ["false", "FALSE", "no", "off", "Off", "0", "n", "f", "", " "])
def test_words_that_switch_off(arguments, word):
    assert arguments(word).stdout == "gate s --baseline b --out results/gate\n"


@pytest.mark.parametrize("word", ["maybe", "2", "truee", "nope", "-1", "--json"])
def test_any_other_word_for_a_switch_is_refused(arguments, word):
    done = arguments(word)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"allow-missing: expected true or false (or yes, no, on, off, 1, 0), got '{word}'" in done.stderr


def test_the_committed_baseline_is_of_quick_and_the_changelog_knows_it():
    losses = open_losses(ROOT / "results" / "baseline-quick")
    assert losses.manifest.suite == "quick"
    counts = {"ok": 522, "skipped": 3, "failed": 0, "looked_up": 0, "missing": 0}
    assert summarise(losses.folder).coverage.cells == counts
    changelog = (ROOT / "CHANGELOG.md").read_text()
    scores = re.findall(r"^### Scores\n(.*?)(?=^##|\Z)", changelog, flags=re.MULTILINE | re.DOTALL)
    scores += [path.read_text() for path in (ROOT / "changelog.d").glob("*.scores.md")]
    assert any(baseline_digest(losses) in section for section in scores), (
        "results/baseline-quick changed: changelog.d/NAME.scores.md must tell what moved and why, with the digest"
    )
