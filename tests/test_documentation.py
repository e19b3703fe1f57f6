"""What the documents show is executed; what they state of the project is checked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evidence import tables_page
from icl_bench import catalogue
from icl_bench.cli.main import app
from icl_bench.errors import MOVED
from icl_bench.tables.schema import baseline_schema, losses_schema, scores_schema, training_schema

ROOT = Path(__file__).parent.parent


def blocks(document: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / document).read_text(), flags=re.DOTALL)


def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    session: dict[str, object] = {"folder": tmp_path}
    for block in blocks("docs/python-api.md", "python"):
        exec(compile(block, "docs/python-api.md", "exec"), session)
    printed = capsys.readouterr().out
    assert "lsa-random-cov" in printed


def test_the_contributing_examples_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugins, the suite and the recipe that CONTRIBUTING.md shows work as they are printed."""
    monkeypatch.chdir(tmp_path)
    for block in blocks("CONTRIBUTING.md", "python"):
        name = re.match(r'"""(\w+\.py)', block)
        if name:
            (tmp_path / name[1]).write_text(block)
    suite, recipe = sorted(blocks("CONTRIBUTING.md", "toml"), key=lambda text: "[recipe]" in text)
    (tmp_path / "recipe.toml").write_text(recipe)
    trained = tmp_path / "checkpoints" / "mine"
    training = CliRunner().invoke(app, ["train", str(tmp_path / "recipe.toml"), "--out", str(trained)])
    assert training.exit_code == 0, training.output
    asked = 'path = "checkpoints/mine"\narchitecture = "./my_network.py:MeanNetwork"'
    networks = f'\n[[models]]\nuse = "./my_network.py:MeanNetwork"\n\n[[models]]\nuse = "checkpoint"\n{asked}\n'
    (tmp_path / "mine.toml").write_text(suite.replace("n_dims = 8", "n_dims = 4") + networks)
    assert len((tmp_path / "my_model.py").read_text().splitlines()) <= 22
    (validate,) = re.findall(r"^icl-bench (validate .*--executor .*)$", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    result = CliRunner().invoke(app, validate.split())
    assert result.exit_code == 0, result.output
    checked = ("contracts of scenario ./my_scenario.py:Flip", "function class ./my_functions.py:Waves", "model MyModel")
    for what in (*checked, "model checkpoint", "executor ./my_executor.py:Timed"):
        assert f"ok   {what}" in result.stdout


def test_the_examples_of_the_page_for_older_plugins_are_valid(tmp_path: Path) -> None:
    page = "docs/plugins-0.2.md"
    for block in blocks(page, "python"):
        name = re.match(r'"""(\w+\.py)', block)
        assert name is not None, block
        (tmp_path / name[1]).write_text(block)
    (suite,) = blocks(page, "toml")
    (tmp_path / "moved.toml").write_text(suite)
    result = CliRunner().invoke(app, ["validate", str(tmp_path / "moved.toml")])
    assert result.exit_code == 0, result.output
    for checked in (
        "function class ./waves.py:Waves",
        "contracts of scenario ./shifts.py:Drop",
        "model Posterior",
        "metric Absolute",
    ):
        assert f"ok   {checked}" in result.stdout
    assert page == MOVED.split()[0]


def test_the_tables_page_is_what_the_schemas_say() -> None:
    text = tables_page.PAGE.read_text()
    assert tables_page.page(text) == text, "make docs"
    for schema in (scores_schema(), training_schema(), baseline_schema([]), losses_schema([])):
        assert all(f"| `{name}` |" in text for name in schema.names)


def test_the_readme_names_every_model_scenario_and_metric() -> None:
    text = (ROOT / "README.md").read_text()
    for kind in ("models", "scenarios", "metrics"):
        for name in catalogue.entries(kind):
            assert f"`{name}`" in text, f"{kind}: {name}"


def test_the_readme_shows_exit_codes() -> None:
    text = (ROOT / "README.md").read_text()
    assert all(f"| {code} |" in text for code in (0, 1, 2, 3, 4, 5, 130))
