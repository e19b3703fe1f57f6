"""Suites, recipes and weights that ship are found by name from any folder; what is not there is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from icl_bench import shipped
from icl_bench.cli.main import app
from icl_bench.errors import InstallationError, UsageError
from icl_bench.plugins import catalogue

SMALL = ("--models", "zero,bayes", "--scenarios", "base", "--prompts", "8", "--executor", "serial", "--json")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_suite_that_ships_is_run_by_name() -> None:
    done = CliRunner().invoke(app, ["run", "quick", *SMALL])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["suite"] == "quick"


def test_a_file_comes_before_a_name(small_suite: Path) -> None:
    small_suite.rename("quick")
    assert shipped.suite_file(Path("quick")) == Path("quick")
    assert shipped.suite_file(Path("./core.toml")) == Path("core.toml")  # refused by whoever reads it


def test_a_folder_called_like_a_suite_is_not_in_its_way() -> None:
    Path("quick").mkdir()
    assert shipped.suite_file(Path("quick")) == shipped.files("suites")["quick"]


@pytest.mark.parametrize(
    ("verb", "name", "expected"),
    [
        ("run", "quik", r"no suite that ships is called 'quik' (did you mean 'quick'?); expected a file (./quik.toml)"),
        ("validate", "nothing-like-it", "or one of architectures, core, garg2022, quick, zhang2024"),
        ("train", "lsa-d8-fixd", "no recipe that ships is called 'lsa-d8-fixd' (did you mean 'lsa-d8-fixed'?)"),
        ("run", "gone.toml", "gone.toml"),
        ("run", "somewhere/quick", "somewhere/quick"),
    ],
)
def test_a_name_that_nothing_has_is_refused_with_what_there_is(verb: str, name: str, expected: str) -> None:
    done = CliRunner().invoke(app, [verb, name])
    assert done.exit_code == 2
    assert expected in done.stderr


def test_a_suite_of_the_current_folder_is_pointed_at() -> None:
    Path("suites").mkdir()
    Path("suites/quicker.toml").write_text("")
    with pytest.raises(UsageError, match=r"did you mean suites/quicker\.toml\?"):
        shipped.suite_file(Path("quicker"))


def test_every_file_of_the_repository_ships_under_the_name_it_gives_itself() -> None:
    import tomllib

    for kind, section in (("suites", "suite"), ("recipes", "recipe")):
        for name, path in shipped.files(kind).items():
            assert tomllib.loads(path.read_text())[section]["name"] == name


@pytest.mark.parametrize("kind", [*catalogue.KINDS, "suites", "recipes", "weights"])
def test_an_installation_that_lacks_a_kind_is_refused_not_empty(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a move of folders, or a wheel built without its data."""
    monkeypatch.setattr(shipped, "package_root", lambda: tmp_path / "icl_bench")
    monkeypatch.setattr(catalogue, "package_root", lambda: tmp_path / "icl_bench")
    catalogue.entries.cache_clear()
    shipped.files.cache_clear()
    try:
        listed = CliRunner().invoke(app, ["list", kind])
        with pytest.raises(InstallationError, match=f"none of the {kind}"):
            _all_of(kind)
    finally:
        monkeypatch.undo()
        catalogue.entries.cache_clear()
        shipped.files.cache_clear()
    assert (listed.exit_code, listed.stdout) == (5, "")
    assert "install it again" in listed.stderr


def _all_of(kind: str) -> object:
    if kind in catalogue.KINDS:
        return catalogue.entries(kind)
    return shipped.weights() if kind == "weights" else shipped.files(kind)
