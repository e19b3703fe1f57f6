"""`list`, `show`, `doctor` and `--help`: what there is, told without loading what it takes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from icl_bench.cli.main import app
from icl_bench.plugins.catalogue import KINDS, entries
from tests.command import ROOT

EVERYTHING = [(kind, name) for kind in KINDS for name in entries(kind)]


def ask(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def as_json(*arguments: str):
    answer = ask(*arguments, "--json")
    assert answer.exit_code == 0, answer.stderr
    return json.loads(answer.stdout)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list", "models"], ["list"], ["list", "suites"], ["show", "--help"]]
)
def test_starts_without_heavy_modules(arguments):
    code = (
        "import sys\nfrom icl_bench.cli.main import app\n"
        "try:\n    app(sys.argv[1:])\nexcept SystemExit as ended:\n    assert not ended.code\n"
        "heavy = ('torch', 'sklearn', 'scipy', 'pandas', 'numpy', 'pyarrow')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("kind", KINDS)
def test_list_names_every_plugin_with_a_summary(kind):
    listed = as_json("list", kind)[kind]
    assert [item["name"] for item in listed] == list(entries(kind))
    assert all(item["summary"] for item in listed)
    text = ask("list", kind).stdout
    assert all(item["name"] in text and item["summary"] in text for item in listed)


def test_list_without_a_kind_lists_all_kinds():
    found = as_json("list")
    assert set(found) == {*KINDS, "suites", "recipes", "weights"}
    assert {item["name"] for item in found["suites"]} >= {"quick", "core", "zhang2024"}


def test_list_takes_suites_of_the_current_folder_and_tells_of_broken_ones(tmp_path, monkeypatch):
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "mine.toml").write_text('[suite]\nname = "mine"\nversion = 7\ndescription = "Own."\n')
    (tmp_path / "suites" / "broken.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "suites" / "scalar.toml").write_text("suite = 3")
    monkeypatch.chdir(tmp_path)
    text = ask("list", "suites").stdout
    assert "version 7. Own." in text
    assert text.count("cannot be read") == 2


def test_list_recipes_shows_the_ones_that_ship_and_the_current_folders(tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "mine.toml").write_text('[recipe]\nname = "mine"\nversion = 3\ndescription = "Own."\n')
    monkeypatch.chdir(tmp_path)
    names = {item["name"] for item in as_json("list", "recipes")["recipes"]}
    assert {"mine", "gpt2-tiny-d8-fixed"} <= names
    assert "version 3. Own." in ask("list", "recipes").stdout


def test_list_of_an_unknown_kind_names_a_near_miss():
    answer = ask("list", "modles")
    assert answer.exit_code == 2
    assert "did you mean 'models'" in answer.stderr


@pytest.mark.parametrize(("kind", "name"), EVERYTHING)
def test_show_describes_every_plugin(kind, name):
    found = next(item for item in as_json("show", name) if (item["kind"], item["name"]) == (kind, name))
    assert found["definition"]
    assert Path(found["file"]).is_file()
    assert ask("show", name).exit_code == 0
    if kind == "scenarios":
        assert found["severities"]


def test_show_tells_arguments_source_and_exact_risk():
    (layer,) = as_json("show", "linear_self_attention")
    weights = next(item for item in layer["arguments"] if item["name"] == "weights")
    assert "global_minimum" in weights["type"]
    assert weights["default"] == "'global_minimum'"
    assert "arXiv:2306.09927" in layer["sources"]
    assert layer["exact_risk"] == "known given the covariates"
    (adapter,) = as_json("show", "sklearn")
    assert adapter["exact_risk"] == "not known without arguments"
    assert "argument estimator: str (required)" in ask("show", "sklearn").stdout


def test_show_of_a_name_in_several_kinds_shows_all():
    found = {(item["kind"], item["name"]) for item in as_json("show", "mean")}
    assert found == {("models", "mean"), ("scenarios", "covariate/mean"), ("scenarios", "query/mean")}


def test_show_tells_the_unshifted_severity():
    assert "unshifted: 1" in ask("show", "covariate/scale").stdout
    assert "unshifted: none" in ask("show", "covariate/random_diagonal").stdout
    assert "unshifted: inf" in ask("show", "noise/heavy_tail").stdout
    assert "unshifted: that of the suite's prompts" in ask("show", "noise/variance").stdout


@pytest.mark.parametrize("name", ["quick", str(ROOT / "suites" / "quick.toml")])
def test_show_of_a_suite_counts_cells_and_prompts(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    (found,) = as_json("show", name)
    sets = sum(len(scenario["severities"]) for scenario in found["scenarios"])
    assert found["cells"] == sets * len(found["models"])
    assert found["prompts_in_all"] == sets * 1024
    text = ask("show", name).stdout
    assert "covariate/scale: 0.3333, 0.5, 2, 3 (1,024 prompts each)" in text


def test_show_of_a_users_own_file(tmp_path):
    (tmp_path / "own.py").write_text('class Mine:\n    """Knows nothing."""\n    def predict(self, prompts): ...\n')
    (found,) = as_json("show", f"{tmp_path / 'own.py'}:Mine")
    assert (found["kind"], found["definition"]) == ("models", "Knows nothing.")
    (tmp_path / "own.py").write_text("class Mine: ...\n")
    answer = ask("show", f"{tmp_path / 'own.py'}:Mine")
    assert answer.exit_code == 2
    assert "no plugin" in answer.stderr


@pytest.mark.parametrize(
    ("name", "expected"),
    [("olss", "did you mean 'ols'"), ("missing.toml", "no such file"), ("xyzzy", "icl-bench list")],
)
def test_show_of_an_unknown_name_says_what_to_do(name, expected):
    answer = ask("show", name)
    assert answer.exit_code == 2
    assert expected in answer.stderr


def test_doctor_tells_versions_devices_and_how_to_get_what_is_missing():
    found = as_json("doctor")
    assert found["versions"]["torch"]
    assert "cpu" in found["devices"]
    assert found["cores"] >= 1
    assert all(part["how"] for part in found["missing"])
    text = ask("doctor").stdout
    assert "optional parts" in text
    assert "device cpu" in text


@pytest.mark.parametrize(
    "broken", ["raise ImportError('no libgomp')", "raise OSError('libtorch.so')", "1 / 0", "x = 1"]
)
def test_doctor_answers_whatever_is_wrong_with_torch(tmp_path, broken):
    (tmp_path / "torch.py").write_text(broken)
    done = subprocess.run(
        [sys.executable, "-c", "from icl_bench.cli.main import main; main()", "doctor", "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["versions"]["icl-bench"]
    assert found["system"]
    assert found["torch_threads"] is None
    assert "install it again" in found["devices"]["none"]


def test_doctor_says_when_results_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "results").write_text("a file, not a folder")
    monkeypatch.chdir(tmp_path)
    assert as_json("doctor")["results"]["writable"] is False


def test_show_of_a_recipe_by_name_and_by_file_tells_network_mixture_and_steps(monkeypatch):
    monkeypatch.chdir(ROOT)
    path = ROOT / "recipes" / "gpt2-tiny-d8-random-covariance.toml"
    by_file = as_json("show", str(path))
    assert [item for item in as_json("show", path.stem) if item["kind"] == "recipes"] == [
        {**by_file[0], "file": f"recipes/{path.name}"}
    ]
    assert by_file[0]["network"]["use"] == "gpt2"
    text = ask("show", str(path)).stdout
    assert "covariate/random_diagonal 1" in text
    assert "steps: 8,000 of 64 prompts" in text


def test_show_of_shipped_weights_tells_what_the_card_says():
    (found,) = [item for item in as_json("show", "transformer-d8") if item["kind"] == "weights"]
    assert found["card"]["n_dims"] == 8
    text = ask("show", "transformer-d8").stdout
    assert 'use = "checkpoint", path = "zoo:transformer-d8"' in text
    assert found["card"]["weights"]["digest"] in text


def test_list_of_weights_is_the_zoo():
    names = {item["name"] for item in as_json("list", "weights")["weights"]}
    assert {"transformer-d8", "gpt2-tiny-d8-fixed"} <= names
