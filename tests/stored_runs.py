"""Finished runs that many tests read: made once a test session, whichever worker asks first, and handed out to read.

A test that changes a run takes a copy of it (`copied`); the session fails where a stored run has changed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from icl_bench import run_suite
from tests.small_suites import SMALL

Stored = Iterator[Path]
Make = Callable[[Path], object]


def stored(factory: pytest.TempPathFactory, name: str, make: Make) -> Path:
    """Return the folder that `make` has filled: by this worker, or by the one that came before it."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # as pytest-xdist documents
    folder = shared / f"stored-{name}"
    whole = folder / "whole"
    with FileLock(shared / f"stored-{name}.lock"):
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            whole.touch()
    return folder


def copied(run: Path, folder: Path) -> Path:
    """Return a copy of a stored run that a test may change."""
    return shutil.copytree(run, folder / "run")


def handed_out(folder: Path) -> Stored:
    """Hand out a folder, and hold at the end of the session that nobody has changed it."""
    before = _state(folder)
    yield folder
    assert _state(folder) == before, f"a test has changed {folder}: it needs a copy of its own"


def _state(folder: Path) -> dict[str, tuple[int, int]]:
    files = {str(path): path.stat() for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: (found.st_size, found.st_mtime_ns) for name, found in files.items()}


def suite_run(text: str, own: str = "") -> Make:
    """Return what writes a suite and the file `own.py` of its models, and runs it into `run`."""

    def make(folder: Path) -> None:
        (folder / "own.py").write_text(own)
        (folder / "suite.toml").write_text(text)
        run_suite(folder / "suite.toml", folder / "run")

    return make


FRAGILE = {"use": "./own.py:Fragile", "name": "fragile"}
"""The entry of `fragile_model` in a suite beside its file."""


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """A whole run of the small suite: two cells of each of bayes, ols and zero."""
    yield from handed_out(stored(tmp_path_factory, "small", suite_run(SMALL)) / "run")
