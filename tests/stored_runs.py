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
from tests.small_suites import SMALL, fragile_model, suite_text

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


def scale(*severities: float) -> dict[str, object]:
    """Return the entry of the scenario that every one of these suites has."""
    return {"use": "covariate/scale", "severities": list(severities)}


FRAGILE = {"use": "./own.py:Fragile", "name": "fragile"}
"""The entry of `fragile_model` in a suite beside its file."""


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """A whole run of the small suite: two cells of each of bayes, ols and zero."""
    yield from handed_out(stored(tmp_path_factory, "small", suite_run(SMALL)) / "run")


AWKWARD = suite_text(
    "awkward",
    version=3,
    prompts={"context_sizes": [0, 2, 3, 6], "seeds": [0, 1]},
    training={"n_context": 6},
    models=["bayes", "ols", "averaging", "zero", {**FRAGILE, "name": "fragile_model"}],
    scenarios=[
        "base",
        scale(3.0, 0.5, 1.0),
        {"use": "length/interpolation", "severities": [0.0]},
        {"use": "noise/heavy_tail", "severities": [2.5]},
        {"product": [scale(2.0), {"use": "task/scale", "severities": [10.0, 2.0]}]},
    ],
)
AWKWARD_MODEL = fragile_model(message="far\x1b[31m out | <b>_{tail}_</b> \n more")


@pytest.fixture(scope="session")
def awkward_run(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """Two seeds of everything a report must cope with: failures and their odd words, medians, a joint shift."""
    yield from handed_out(stored(tmp_path_factory, "awkward", suite_run(AWKWARD, AWKWARD_MODEL)) / "run")


FIGURES = suite_text(
    "figures",
    prompts={"context_sizes": [0, 1, 2, 3, 4, 6]},
    training={"n_context": 6},
    models=["bayes", "ols", "averaging", "zero", FRAGILE],
    scenarios=[
        "base",
        scale(0.5, 2.0, 3.0),
        {"use": "noise/variance", "severities": [0.0, 4.0]},
        {"use": "length/interpolation", "severities": [0.0, 2.0]},
        {"use": "noise/heavy_tail", "severities": [2.5]},
        {"name": "joint/both", "product": [scale(2.0), {"use": "noise/variance", "severities": [0.0, 4.0]}]},
    ],
    metrics=[
        "squared_error",
        "normalised_error",
        "excess_risk",
        "normalised_excess_risk",
        "bayes_risk",
        "agreement:ols",
    ],
)


@pytest.fixture(scope="session")
def figures_run(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """One seed with everything a figure shows: every axis, failures, a distance to a reference, a joint shift."""
    model = fragile_model(answer=0.1)
    yield from handed_out(stored(tmp_path_factory, "figures", suite_run(FIGURES, model)) / "run")


PAGES = suite_text(
    "pages",
    prompts={"context_sizes": [0, 2, 3, 6], "seeds": [0, 1]},
    training={"n_context": 6},
    models=["bayes", "bayes_train", "ols", "averaging", FRAGILE],
    scenarios=[
        "base",
        scale(0.5, 2.0),
        {"use": "task/scale", "severities": [2.0]},
        {"use": "noise/heavy_tail", "severities": [2.5]},
        {"product": [scale(2.0), {"use": "task/scale", "severities": [2.0]}]},
    ],
    metrics=[
        "squared_error",
        "normalised_error",
        "excess_risk",
        "normalised_excess_risk",
        "bayes_risk",
        "agreement:ols",
        "agreement:bayes_train",
    ],
)
PAGES_MODEL = fragile_model(reach=7.5, message="<img src=x onerror=alert(1)> & more")


@pytest.fixture(scope="session")
def pages_run(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """Two seeds with a model that was trained otherwise, distances to two references, and markup for a message."""
    yield from handed_out(stored(tmp_path_factory, "pages", suite_run(PAGES, PAGES_MODEL)) / "run")
