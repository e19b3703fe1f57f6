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

from icl_bench import read_run
from tests.conftest import ROOT, Command, heed_ctrl_c


def test_data_on_stdout_progress_on_stderr(small_suite: Path, icl_bench: Command) -> None:
    done = icl_bench("run", small_suite, "--executor", "serial")
    assert done.returncode == 0, done.stderr
    assert "ols" in done.stdout
    assert "covariate/scale" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr, "colour codes must not reach a file or a pipe"
    assert done.stderr.splitlines()[0] == "2 blocks of prompts"


def test_json_is_json_and_nothing_else(small_suite: Path, icl_bench: Command, tmp_path: Path) -> None:
    done = icl_bench("run", small_suite, "--executor", "serial", "--json", "--out", "here")
    summary = json.loads(done.stdout)
    assert summary["status"] == "complete"
    assert summary["cells"]["ok"] == 6
    assert (tmp_path / "here" / "scores.parquet").exists()


def test_default_folder_is_named_after_the_suite(small_suite: Path, icl_bench: Command, tmp_path: Path) -> None:
    icl_bench("run", small_suite, "--executor", "serial", "--json")
    assert (tmp_path / "results" / "small" / "manifest.json").exists()


def test_a_second_run_continues_and_draws_nothing_again(small_suite: Path, icl_bench: Command, tmp_path: Path) -> None:
    first = icl_bench("run", small_suite, "--executor", "serial", "--models", "ols", "--json", "--out", "o")
    assert json.loads(first.stdout)["cells"] == {"planned": 2, "ok": 2, "missing": 0}
    units = {path: path.stat().st_mtime_ns for path in (tmp_path / "o" / "losses").iterdir()}
    second = icl_bench("run", small_suite, "--executor", "serial", "--json", "--out", "o")
    assert json.loads(second.stdout)["cells"]["ok"] == 6
    third = icl_bench("run", small_suite, "--executor", "serial", "--json", "--out", "o")
    assert "2 blocks of prompts, 2 finished before" in third.stderr
    assert all(path.stat().st_mtime_ns == written for path, written in units.items())


def test_fresh_starts_again(small_suite: Path, icl_bench: Command, tmp_path: Path) -> None:
    icl_bench("run", small_suite, "--executor", "serial", "--json", "--out", "o")
    done = icl_bench("run", small_suite, "--executor", "serial", "--json", "--out", "o", "--fresh", "--prompts", "100")
    assert done.returncode == 0, done.stderr
    assert set(read_run(tmp_path / "o").scores.n_prompts) == {100}


def test_globs_narrow_the_run(small_suite: Path, icl_bench: Command) -> None:
    options = ["--scenarios", "covariate/*", "--models", "ols, zero"]
    done = icl_bench("run", small_suite, "--executor", "serial", "--json", *options)
    assert json.loads(done.stdout)["cells"] == {"planned": 2, "ok": 2, "missing": 0}


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_ctrl_c_ends_with_130_and_loses_nothing(executor: str, small_suite: Path, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\nfrom icl_bench import Prediction\nclass Slow:\n    def predict(self, prompts):\n"
        "        time.sleep(0.1)\n        return Prediction(prompts.query_x.sum(-1))\n"
    )
    text = small_suite.read_text().replace('use = "zero"', 'use = "./slow.py:Slow"').replace("256", "5120")
    small_suite.write_text(text)
    command = [sys.executable, "-c", "from icl_bench.cli.main import main; main()", "run", str(small_suite)]
    options = ["--executor", executor, "--workers", "2", "--out", str(tmp_path / "o")]
    process = subprocess.Popen(
        command + options,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    losses, deadline = tmp_path / "o" / "losses", time.monotonic() + 90
    while time.monotonic() < deadline and len(list(losses.glob("*.parquet"))) < 3:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "run the same command again to continue" in errors
    assert "Traceback" not in errors
    finished = {path.name for path in losses.glob("*.parquet")}
    assert 3 <= len(finished) < 40
    again = subprocess.run(
        [*command, *options, "--json"], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert again.returncode == 0, again.stderr
    assert f"40 blocks of prompts, {len(finished)} finished before" in again.stderr


def test_a_reader_that_goes_away_is_no_error(small_suite: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -c 'from icl_bench.cli.main import main; main()' run {small_suite} --executor serial"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -n 1"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_an_internal_error_is_5_and_asks_to_be_reported(small_suite: Path, tmp_path: Path) -> None:
    code = (
        "import icl_bench.run\n"
        "def broken(*a, **k): raise ZeroDivisionError('deep inside')\n"
        "icl_bench.run.score_run = broken\n"
        "from icl_bench.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", str(small_suite), "--executor", "serial"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 5
    assert "please report it" in done.stderr
    assert "Traceback" not in done.stderr
