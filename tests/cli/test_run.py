"""The main job through the real command: streams, options, exit codes, interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import icl_bench.run.suite_run
from icl_bench import read_run
from tests.command import MAIN, PATIENCE, command, environment, started

WAITING = '''
import time
from pathlib import Path

from icl_bench import Prediction

HERE = Path(__file__).parent


class Waiting:
    """Answers the first three blocks at once, and the others when somebody says so."""

    def predict(self, prompts):
        while len(list(HERE.glob("o/losses/*.parquet"))) >= 3 and not (HERE / "go on").exists():
            time.sleep(0.01)
        return Prediction(prompts.query_x.sum(-1))
'''


@pytest.fixture(autouse=True)
def in_folder_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_data_on_stdout_progress_on_stderr(small_suite: Path) -> None:
    done = command("run", small_suite, "--executor", "serial")
    assert done.exit_code == 0, done.stderr
    assert "ols" in done.stdout
    assert "covariate/scale" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr, "colour codes must not reach a file or a pipe"
    assert done.stderr.splitlines()[0] == "2 blocks of prompts"


def test_json_is_json_and_nothing_else(small_suite: Path, tmp_path: Path) -> None:
    done = command("run", small_suite, "--executor", "serial", "--json", "--out", "here")
    summary = json.loads(done.stdout)
    assert summary["status"] == "complete"
    assert summary["cells"]["ok"] == 6
    assert (tmp_path / "here" / "scores.parquet").exists()


def test_default_folder_is_named_after_the_suite(small_suite: Path, tmp_path: Path) -> None:
    command("run", small_suite, "--executor", "serial", "--json")
    assert (tmp_path / "results" / "small" / "manifest.json").exists()


def test_a_second_run_continues_and_draws_nothing_again(small_suite: Path, tmp_path: Path) -> None:
    first = command("run", small_suite, "--executor", "serial", "--models", "ols", "--json", "--out", "o")
    assert json.loads(first.stdout)["cells"] == {"planned": 2, "ok": 2, "missing": 0}
    units = {path: path.stat().st_mtime_ns for path in (tmp_path / "o" / "losses").iterdir()}
    second = command("run", small_suite, "--executor", "serial", "--json", "--out", "o")
    assert json.loads(second.stdout)["cells"]["ok"] == 6
    third = command("run", small_suite, "--executor", "serial", "--json", "--out", "o")
    assert "2 blocks of prompts, 2 finished before" in third.stderr
    assert all(path.stat().st_mtime_ns == written for path, written in units.items())


def test_fresh_starts_again(small_suite: Path, tmp_path: Path) -> None:
    command("run", small_suite, "--executor", "serial", "--json", "--out", "o")
    done = command("run", small_suite, "--executor", "serial", "--json", "--out", "o", "--fresh", "--prompts", "100")
    assert done.exit_code == 0, done.stderr
    assert set(read_run(tmp_path / "o").scores.n_prompts) == {100}


def test_globs_narrow_the_run(small_suite: Path) -> None:
    options = ["--scenarios", "covariate/*", "--models", "ols, zero"]
    done = command("run", small_suite, "--executor", "serial", "--json", *options)
    assert json.loads(done.stdout)["cells"] == {"planned": 2, "ok": 2, "missing": 0}


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_ctrl_c_ends_with_130_and_loses_nothing(executor: str, small_suite: Path, tmp_path: Path) -> None:
    """Ctrl-C lands within the run however busy the machine is: no block but the first few ends before it."""
    (tmp_path / "waiting.py").write_text(WAITING)
    text = small_suite.read_text().replace('use = "zero"', 'use = "./waiting.py:Waiting"').replace("256", "2560")
    small_suite.write_text(text)
    losses, options = tmp_path / "o" / "losses", ["--executor", executor, "--workers", "2", "--out", "o"]
    process = started("run", small_suite, *options, folder=tmp_path)
    while process.poll() is None and len(list(losses.glob("*.parquet"))) < 3:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, errors
    assert "run the same command again to continue" in errors
    assert "Traceback" not in errors
    finished = {path.name for path in losses.glob("*.parquet")}
    assert 3 <= len(finished) < 20
    (tmp_path / "go on").touch()
    again = command("run", small_suite, "--executor", "serial", "--out", "o", "--json")
    assert again.exit_code == 0, again.stderr
    assert f"20 blocks of prompts, {len(finished)} finished before" in again.stderr


def test_a_reader_that_goes_away_is_no_error(small_suite: Path) -> None:
    line = f"{sys.executable} -c '{MAIN}' run {small_suite} --executor serial"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line} | head -n 1"], capture_output=True, text=True, env=environment()
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_an_internal_error_is_5_and_asks_to_be_reported(small_suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("deep inside")

    monkeypatch.setattr(icl_bench.run.suite_run, "score_run", broken)
    done = command("run", small_suite, "--executor", "serial")
    assert done.exit_code == 5
    assert "please report it" in done.stderr
    assert "Traceback" not in done.stderr
