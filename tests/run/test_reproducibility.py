"""The same rows to the bit, whoever computes them, in whatever order, and however often the run is killed."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from icl_bench import read_run, run_suite
from icl_bench.executors.serial import Serial
from icl_bench.plugins.protocols import Outcome
from icl_bench.results import Run
from tests.command import PATIENCE, started
from tests.small_suites import slow_model

PROMPTS = """
[suite]
name = "repro"
version = 1

[prompts]
n_dims = 3
context_sizes = [0, 1, 3, 6]
noise_std = 0.5
n_prompts = 600                  # three blocks, the last in part

[training]
n_context = 4
"""
MODELS = [
    '\n[[models]]\nuse = "bayes"\n',
    '\n[[models]]\nuse = "ols"\n',
    '\n[[models]]\nuse = "ridge"\nalpha = "evidence"\n',
    '\n[[models]]\nuse = "linear_self_attention"\n',
]
SCENARIOS = [
    '\n[[scenarios]]\nuse = "base"\n',
    '\n[[scenarios]]\nuse = "covariate/spectrum"\nseverities = [1.0, 2.0]\n',
    '\n[[scenarios]]\nuse = "noise/heavy_tail"\nseverities = [3.0]\n',
    '\n[[scenarios]]\nname = "joint/both"\nproduct = [\n    { use = "covariate/scale", severities = [2.0] },\n'
    '    { use = "query/mean", severities = [0.0, 1.0] },\n]\n',
]
METRICS = """
[metrics]
use = ["squared_error", "normalised_error", "excess_risk", "bayes_risk", "agreement:ols"]
"""


def write_suite(folder: Path, models: Sequence[str] = MODELS, scenarios: Sequence[str] = SCENARIOS) -> Path:
    path = folder / "repro.toml"
    path.write_text("".join([PROMPTS, *models, *scenarios, METRICS]))
    return path


def write_slow_suite(folder: Path, seconds: float) -> Path:
    """A suite of 90 blocks, each of which takes a little more than `seconds`."""
    (folder / "slow.py").write_text(slow_model(seconds))
    severities = [round(0.5 + 0.1 * step, 1) for step in range(30)]
    scenario = f'\n[[scenarios]]\nuse = "covariate/scale"\nseverities = {severities}\n'
    slow = '\n[[models]]\nuse = "./slow.py:Slow"\n'
    return write_suite(folder, [MODELS[0], slow], [scenario])


def scores(run: Run) -> pd.DataFrame:
    """Return the score rows in an order of their own, but for the time column."""
    keys = ["scenario", "severity_label", "seed", "model", "context_size", "metric"]
    return run.scores.drop(columns="seconds").sort_values(keys).reset_index(drop=True)


def losses(run: Run) -> pd.DataFrame:
    """Return every loss in an order of its own."""
    keys = ["scenario", "severity_label", "seed", "model", "prompt", "context_size"]
    frame = run.losses
    return frame[sorted(frame.columns)].sort_values(keys).reset_index(drop=True)


def assert_same(run: Run, reference: Run) -> None:
    """Compare rows to the bit: pandas' exact comparison holds NaN equal to NaN and nothing else."""
    assert_frame_equal(scores(run), scores(reference), check_exact=True)
    assert_frame_equal(losses(run), losses(reference), check_exact=True)
    assert run.manifest.prompt_digests == reference.manifest.prompt_digests
    assert run.manifest.status == reference.manifest.status == "complete"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole suite, in one go, in this process."""
    folder = tmp_path_factory.mktemp("reference")
    return run_suite(write_suite(folder), folder / "run")


@pytest.mark.parametrize("workers", [1, 3])
def test_worker_processes_give_the_same_rows(tmp_path: Path, reference: Run, workers: int) -> None:
    run = run_suite(write_suite(tmp_path), tmp_path / "run", executor="processes", workers=workers)
    assert run.manifest.workers == workers
    assert_same(run, reference)


def test_the_order_in_the_suite_does_not_matter(tmp_path: Path, reference: Run) -> None:
    assert_same(run_suite(write_suite(tmp_path, MODELS[::-1], SCENARIOS[::-1]), tmp_path / "run"), reference)


def test_the_order_of_jobs_does_not_matter(tmp_path: Path, reference: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    in_order = Serial.map

    def shuffled(
        self: Serial, work: Callable[[Any], Any], jobs: Sequence[Any], timeout: float | None
    ) -> Iterator[Outcome]:
        return in_order(self, work, random.Random(7).sample(list(jobs), len(jobs)), timeout)

    monkeypatch.setattr(Serial, "map", shuffled)
    assert_same(run_suite(write_suite(tmp_path), tmp_path / "run"), reference)


def test_a_run_in_parts_gives_the_same_rows(tmp_path: Path, reference: Run) -> None:
    suite, out = write_suite(tmp_path), tmp_path / "run"
    run_suite(suite, out, models=["linear_*", "ols"], scenarios=["covariate/*", "joint/*"])
    run_suite(suite, out, models=["bayes"])
    assert_same(run_suite(suite, out), reference)


def test_a_prompt_is_the_same_however_many_there_are(tmp_path: Path, reference: Run) -> None:
    whole = losses(reference)
    for n_prompts in (1, 300):
        part = losses(run_suite(write_suite(tmp_path), tmp_path / f"run{n_prompts}", n_prompts=n_prompts))
        expected = whole[whole["prompt"] < n_prompts].reset_index(drop=True)
        assert_frame_equal(part, expected, check_exact=True)


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    """Start the real command in a process group of its own."""
    return started("run", "repro.toml", "--out", "run", "--json", *options, folder=folder)


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    """Read what a process tells on stderr up to a line that holds `text`."""
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if text in line:
            return
    pytest.fail(f"the command ended before it said {text!r}: {''.join(told)}")


def kill(process: subprocess.Popen[str]) -> None:
    """End a command and its workers with no chance to tidy up."""
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(timeout=PATIENCE) == -signal.SIGKILL
    assert process.stderr is not None
    process.stderr.close()


def count_units(folder: Path) -> int:
    return len(list((folder / "run" / "losses").glob("*.parquet")))


def wait_for_units(folder: Path, wanted: int, ended: Callable[[], bool]) -> None:
    """Wait until so many units are written, or the run has ended."""
    while count_units(folder) < wanted and not ended():
        time.sleep(0.01)


FORKS = multiprocessing.get_context("forkserver")
"""Processes that begin with everything imported: what is killed is the run, not the import of torch."""

BEGUN, SCORING = "blocks of prompts", "writing tables"


class Telling:
    """Sends on how far a run is."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe

    def begin(self, blocks: int, done: int) -> None:
        self.pipe.send(BEGUN)

    def advance(self, label: str) -> None: ...

    def note(self, text: str) -> None: ...

    def scoring(self) -> None:
        self.pipe.send(SCORING)


def run_and_tell(folder: Path, pipe: Connection) -> None:
    run_suite(folder / "repro.toml", folder / "run", progress=Telling(pipe))


def killed_in_a_fork(folder: Path, moment: str, more: int, later: float) -> None:
    """Kill a run `later` seconds after it has come to a moment and has written `more` units."""
    before = count_units(folder)
    told, tells = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=run_and_tell, args=(folder, tells))
    process.start()
    tells.close()
    while moment and told.recv() != moment:
        pass
    wait_for_units(folder, before + more, lambda: process.exitcode is not None)
    time.sleep(later)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def killed_command(folder: Path, moment: str, more: int, later: float, *options: str) -> None:
    """As above, of the command and its workers."""
    before = count_units(folder)
    process = start(folder, *options)
    if moment:
        wait_for(process, moment)
    wait_for_units(folder, before + more, lambda: process.poll() is not None)
    time.sleep(later)
    kill(process)


def test_a_run_killed_20_times_gives_the_same_rows(tmp_path: Path) -> None:
    """Each kill is a random while after a number of units, never at a time: a busy machine changes nothing."""
    chance = random.Random(20)
    suite = write_slow_suite(tmp_path, 0.08)
    units = []

    def note(kill: Callable[..., None], *how: Any) -> None:
        kill(tmp_path, *how)
        units.append(count_units(tmp_path))

    FORKS.set_forkserver_preload(["icl_bench.run.suite_run", __name__])
    note(killed_command, "", 0, chance.uniform(0.0, 0.3), "--executor", "serial")
    for _ in range(2):
        note(killed_in_a_fork, "", 0, chance.uniform(0.0, 0.5))
    for number in range(13):
        note(killed_in_a_fork, BEGUN, number % 4, chance.uniform(0.0, 0.2))
    note(killed_command, BEGUN, 2, chance.uniform(0.0, 0.2), "--executor", "serial")
    note(killed_command, BEGUN, 3, chance.uniform(0.0, 0.2), "--executor", "processes", "--workers", "2")
    for _ in range(2):
        note(killed_in_a_fork, SCORING, 0, chance.uniform(0.0, 0.02))
    advanced = sum(later > earlier for earlier, later in itertools.pairwise(units))
    assert len(units) == 20
    assert units == sorted(units)  # no finished unit was lost
    assert advanced >= 8, f"too few kills landed in the middle of work: {units}"
    assert units[0] == 0
    whole = run_suite(suite, tmp_path / "whole")
    assert_same(run_suite(suite, tmp_path / "run"), whole)
    assert count_units(tmp_path) == 90


def test_a_second_run_into_the_same_folder_is_refused(tmp_path: Path) -> None:
    write_slow_suite(tmp_path, 1.0)
    first = start(tmp_path, "--executor", "serial")
    try:
        wait_for(first, "blocks of prompts")
        second = start(tmp_path, "--executor", "serial")
        told = second.communicate(timeout=PATIENCE)[1]
        assert second.returncode == 2
        assert "is in use by another run" in told
        assert "another --out" in told
        assert "Traceback" not in told
        assert first.poll() is None
        os.killpg(first.pid, signal.SIGINT)
        told = first.communicate(timeout=PATIENCE)[1]
        assert first.returncode == 130
        assert "run the same command again to continue" in told
    finally:
        if first.poll() is None:
            kill(first)
    assert read_run(tmp_path / "run").manifest.status == "running"


class Notes:
    """Keeps what a run tells."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.lacking = 0

    def begin(self, blocks: int, done: int) -> None:
        self.lacking = blocks - done

    def advance(self, label: str) -> None: ...

    def note(self, text: str) -> None:
        self.texts.append(text)

    def scoring(self) -> None: ...


def _flip(path: Path, place: float) -> None:
    contents = bytearray(path.read_bytes())
    contents[int(place * len(contents))] ^= 0x10
    path.write_bytes(contents)


def test_damaged_units_are_set_aside_and_computed_again(tmp_path: Path, reference: Run) -> None:
    suite, out = write_suite(tmp_path), tmp_path / "run"
    run_suite(suite, out)
    units = sorted((out / "losses").glob("*.parquet"))
    _flip(units[0], 0.3)  # in the losses
    _flip(units[3], 0.97)  # in the header
    units[5].write_bytes(units[5].read_bytes()[:1000])
    units[7].write_bytes(b"")
    units[9].write_bytes(b"not parquet at all")
    notes = Notes()
    run = run_suite(suite, out, progress=notes)
    assert notes.lacking == 5
    assert len(notes.texts) == 5
    assert all("damaged" in text and "set aside" in text for text in notes.texts)
    assert len(list((out / "losses").glob("*.damaged"))) == 5
    assert_same(run, reference)


def test_leftover_temporary_files_are_harmless(tmp_path: Path, reference: Run) -> None:
    suite, out = write_suite(tmp_path), tmp_path / "run"
    run_suite(suite, out, scenarios=["base"])
    unit = next((out / "losses").glob("*.parquet"))
    half = unit.with_name(f".{unit.name}.1.tmp")
    half.write_bytes(unit.read_bytes()[:500])
    (out / ".manifest.json.1.tmp").write_text("{")
    (out / "working").mkdir(exist_ok=True)
    (out / "working" / unit.stem).write_text("ols")
    (out / "scores.parquet").write_bytes(b"half")
    assert_same(run_suite(suite, out), reference)
    assert not half.exists()
