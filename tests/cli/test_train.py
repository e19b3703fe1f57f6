"""`icl-bench train` as a person runs it: a process of its own, interrupted and continued."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from icl_bench.training.state import read_progress
from tests.command import PATIENCE, command, started
from tests.small_recipes import RECIPE


@pytest.fixture(autouse=True)
def in_folder_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(folder: Path, steps: int) -> Path:
    path = folder / "small.toml"
    path.write_text(RECIPE.replace("n_steps = 40", f"n_steps = {steps}"))
    return path


def test_training_prints_where_the_checkpoint_is_and_how_far_from_bayes(tmp_path: Path) -> None:
    done = command("train", written(tmp_path, 40), "--device", "cpu", "--threads", "1")
    assert done.exit_code == 0, done.stderr
    assert 'use = "checkpoint"' in done.stdout
    assert "over Bayes" in done.stdout
    assert done.stderr.splitlines()[0] == "40 steps"
    assert "\x1b" not in done.stdout + done.stderr
    folder = tmp_path / "checkpoints" / "small"
    assert {"card.toml", "weights.safetensors", "recipe.toml", "training.parquet"} <= {
        path.name for path in folder.iterdir()
    }
    again = command("train", tmp_path / "small.toml", "--device", "cpu", "--json")
    assert json.loads(again.stdout)["finished"] is True
    assert "is finished" in again.stderr


def test_the_checkpoint_is_a_model_of_a_suite(tmp_path: Path, small_suite: Path) -> None:
    text = RECIPE.replace("n_dims = 2", "n_dims = 3")
    (tmp_path / "three.toml").write_text(text)
    command("train", tmp_path / "three.toml", "--device", "cpu", "--out", "mine")
    small_suite.write_text(
        small_suite.read_text().replace(
            '[[models]]\nuse = "zero"', '[[models]]\nuse = "checkpoint"\nname = "mine"\npath = "mine"'
        )
    )
    done = command("run", small_suite, "--executor", "serial")
    assert done.exit_code == 0, done.stderr
    assert "\nmine " in done.stdout


def test_ctrl_c_loses_nothing(tmp_path: Path) -> None:
    arguments = ["train", written(tmp_path, 100_000), "--device", "cpu", "--threads", "1", "--out"]
    process = started(*arguments, "out", folder=tmp_path)
    assert process.stderr is not None
    assert process.stderr.readline() == "100000 steps\n"
    assert process.stderr.readline().startswith("step 20: ")
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, errors
    assert "run the same command again to continue" in errors
    assert "Traceback" not in errors
    until = read_progress(tmp_path / "out" / "state.safetensors").step + 50
    for folder in ("out", "straight"):
        assert command(*arguments, folder, "--until", until).exit_code == 0
    first, second = (load_file(tmp_path / name / "state.safetensors") for name in ("out", "straight"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_cannot_be_trained_says_why(tmp_path: Path) -> None:
    path = written(tmp_path, 40)
    on_gpu = command("train", path, "--device", "cuda:77")
    assert on_gpu.exit_code == 2
    assert "cannot be used" in on_gpu.stderr
    (tmp_path / "file").write_text("in the way")
    in_the_way = command("train", path, "--device", "cpu", "--out", tmp_path / "file")
    assert in_the_way.exit_code == 2
    assert "give another --out" in in_the_way.stderr
