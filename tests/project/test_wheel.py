"""What `pip install` of a wheel brings: every file that the package reads, and what ships beside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.command import ROOT

SOURCES = ("icl_bench", "suites", "recipes", "pyproject.toml", "setup.py", "README.md", "LICENSE")
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds an unpacked wheel, built offline from a copy of the sources."""
    copy, built, site = (tmp_path_factory.mktemp(name) for name in ("copy", "built", "site"))
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    done = subprocess.run([sys.executable, "-c", BUILD, str(built)], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def held(folder: Path) -> set[str]:
    """Return the paths of all files below a folder, compiled ones left out."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_every_file_of_the_package(site: Path) -> None:
    expected = held(ROOT / "icl_bench")
    assert any(name.endswith(".css") for name in expected)
    assert any(name.endswith(".safetensors") for name in expected)
    packed = {name for name in held(site / "icl_bench") if not name.startswith("shipped_files/")}
    assert packed == expected


def test_the_wheel_holds_the_suites_and_recipes_and_nothing_beside_the_package(site: Path) -> None:
    for kind in ("suites", "recipes"):
        assert held(site / "icl_bench" / "shipped_files" / kind) == held(ROOT / kind)
    assert {path.name for path in site.iterdir() if path.suffix != ".dist-info"} == {"icl_bench"}


def test_a_wheel_runs_a_suite_by_name_from_any_folder(site: Path, tmp_path: Path) -> None:
    small = ("--models", "zero,bayes", "--scenarios", "base", "--prompts", "8", "--executor", "serial", "--json")
    done = subprocess.run(
        [sys.executable, "-c", "from icl_bench.cli.main import main; main()", "run", "quick", *small],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "complete"
    manifest = json.loads((tmp_path / "results" / "quick" / "manifest.json").read_text())
    assert "shipped_files" not in manifest["command"]
