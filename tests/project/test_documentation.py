"""What the documents show is executed; what they state of the project is checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import icl_bench
from evidence import tables_page
from icl_bench.cli.main import app
from icl_bench.errors import MOVED
from icl_bench.plugins import catalogue
from icl_bench.statistics.skill import Answerable, cell_skills
from icl_bench.tables.schema import baseline_schema, losses_schema, scores_schema, training_schema
from tests.command import ROOT

PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "changelog.d/README.md"]
PAGES += sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
MADE = ("results/", "dist/", "changelog.d/NAME")
"""Folders that commands fill."""


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


def test_the_page_of_scores_computes_skill_as_runs_do(capsys: pytest.CaptureFixture[str]) -> None:
    session: dict[str, Any] = {}
    for block in blocks("docs/scores.md", "python"):
        exec(compile(block, "docs/scores.md", "exec"), session)
    assert "one wild   0.182" in capsys.readouterr().out
    random = np.random.default_rng(0)
    best = random.standard_normal(64)
    answers = best[:, None] + random.standard_t(1, (64, 40)) * np.geomspace(1e-3, 30.0, 40)
    answers[:5, ::7] = np.nan
    excess = np.where(np.isfinite(answers), (answers - best[:, None]) ** 2, np.inf)
    found = cell_skills(excess, Answerable.of(best**2), np.arange(64)).score
    assert found.min() < -0.5 < 0.9 < found.max()
    assert found == pytest.approx([session["skill"](answers[:, at], best) for at in range(40)])


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


def test_the_readme_names_every_model_and_scenario() -> None:
    text = (ROOT / "README.md").read_text()
    for kind in ("models", "scenarios"):
        for name in catalogue.entries(kind):
            assert f"`{name}`" in text, f"{kind}: {name}"


def test_the_readme_shows_exit_codes() -> None:
    text = (ROOT / "README.md").read_text()
    assert all(f"| {code} |" in text for code in (0, 1, 2, 3, 4, 5, 130))


def test_the_version_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {project["version"], citation["version"], icl_bench.__version__} == {project["version"]}


def parts_of(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def visible_folders() -> Iterator[Path]:
    """Yield every folder of the project, what tools keep for themselves left out."""
    for top in ROOT.iterdir():
        if top.is_dir() and (not top.name.startswith(".") or top.name in (".ci", ".github")):
            yield top
            yield from (folder for folder in top.rglob("*") if folder.is_dir())


def missing_paths(text: str) -> list[str]:
    """Return the paths in a page's code that lead nowhere, from the repository's root or from the package.

    A path begins with a part of either and has a slash, or is a file name by itself. What a reader is to fill in
    (`AXIS/NAME.py`) or a star stands for must have at least one example.
    """
    tops = parts_of(ROOT) | parts_of(ROOT / "icl_bench")
    inline = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    found = []
    for word in " ".join(re.findall(r"`([^`\n]+)`", inline)).split():
        path = word.strip(",;()").partition("::")[0]
        rooted = "/" in path and path.partition("/")[0] in tops
        if path.startswith(MADE) and "baseline" not in path:
            continue
        if not rooted and not re.fullmatch(r"(?!icl_bench\.)[\w-]+\.(py|toml|md|yml|sh)", path):
            continue
        pattern = re.sub(r"\b[A-Z]+\b(?!\.md)", "*", path).rstrip("/")
        folders = (ROOT, ROOT / "icl_bench") if rooted else (ROOT, *visible_folders())
        if not any(any(folder.glob(pattern)) for folder in folders):
            found.append(word)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_is_there(page: str) -> None:
    assert missing_paths((ROOT / page).read_text()) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_another_page_leads_there(page: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if "://" not in target]
    assert [target for target in targets if not ((ROOT / page).parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_module_that_a_page_runs_is_there(page: str) -> None:
    for name in re.findall(r"python -m (benchmarks[.\w]+|evidence[.\w]+)", (ROOT / page).read_text()):
        assert (ROOT / f"{name.replace('.', '/')}.py").is_file(), name


def test_the_index_lists_every_page() -> None:
    text = (ROOT / "docs" / "index.md").read_text()
    for path in (ROOT / "docs").glob("*.md"):
        assert path.name == "index.md" or f"]({path.name})" in text, path.name
    decisions = (ROOT / "docs" / "decisions" / "README.md").read_text()
    for path in (ROOT / "docs" / "decisions").glob("*.md"):
        assert path.name == "README.md" or f"]({path.name})" in decisions, path.name


@pytest.mark.parametrize(
    "text", ["`evaluate.py`", "`icl_bench/gone/`", "`icl_bench/gone/NAME.py`", "`make x tests/test_gone.py`"]
)
def test_a_path_that_is_gone_is_found(text: str) -> None:
    assert missing_paths(f"Words {text} words.") == [text.strip("`").split()[-1]]


def test_make_help_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, flags=re.MULTILINE)
    assert sorted(phony.split()) == sorted(re.findall(r"^([a-z]+):.* ## \S", text, flags=re.MULTILINE))
