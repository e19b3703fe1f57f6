"""`icl-bench compare --update`, and the whole way from real runs to a baseline and its gate."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from icl_bench import run_suite
from icl_bench.compare.baseline_folder import baseline_digest
from icl_bench.tables.manifest import read_manifest
from icl_bench.tables.stored_losses import open_losses
from tests.command import MAIN, command, environment
from tests.small_suites import suite_text
from tests.synthetic_runs import BASE, LACKING, WORSE, Synthetic, invoke


def test_update_writes_a_baseline_that_compares_as_equal(made: Callable[..., Path], tmp_path: Path) -> None:
    run, baseline = made("run"), tmp_path / "results" / "baseline"
    done = invoke(baseline, run, "--update")
    assert done.exit_code == 0
    digest = baseline_digest(open_losses(baseline))
    assert len(digest) == 8
    assert f"wrote the baseline {digest} into {baseline}" in done.stderr
    assert "CHANGELOG" not in done.stderr, "a house rule of this repository is nobody else's"
    assert read_manifest(baseline).kind == "baseline"
    assert {place.context_sizes for place in open_losses(baseline).sets} == {(4,)}
    again = invoke(baseline, run)
    assert again.exit_code == 0
    assert "equal to the bit" in again.stdout
    worse = made("worse", WORSE)
    assert invoke(baseline, worse).exit_code == 1
    accepted = invoke(baseline, worse, "--update")
    assert accepted.exit_code == 0
    assert accepted.stdout.startswith("REGRESSION")
    assert "would end with 1" in accepted.stderr
    assert invoke(baseline, worse).exit_code == 0
    assert baseline_digest(open_losses(baseline)) != digest


def test_update_keeps_all_sizes_when_asked_and_follows_a_new_suite_version(
    made: Callable[..., Path], tmp_path: Path
) -> None:
    baseline = tmp_path / "baseline"
    invoke(baseline, made("one"), "--update", "--sizes", "all")
    assert {place.context_sizes for place in open_losses(baseline).sets} == {BASE.sizes}
    done = invoke(baseline, made("two", dataclasses.replace(BASE, version=2)), "--update")
    assert done.exit_code == 0
    assert "not compared with the old baseline" in done.stderr
    assert read_manifest(baseline).suite_version == 2


def test_update_never_overwrites_a_run_nor_takes_an_incomplete_one(made: Callable[..., Path], tmp_path: Path) -> None:
    run, head = made("run"), made("head")
    before = sorted(path.name for path in run.rglob("*"))
    done = invoke(run, head, "--update")
    assert (done.exit_code, before) == (2, sorted(path.name for path in run.rglob("*")))
    failed = made("failed", LACKING["error"])
    assert invoke(tmp_path / "new", failed, "--update").exit_code == 4
    assert not (tmp_path / "new").exists()
    assert invoke(tmp_path / "new", failed, "--update", "--allow-missing").exit_code == 0
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("mine")
    assert invoke(tmp_path / "notes", head, "--update").exit_code == 2


STEADY = """
import torch
from icl_bench import Prediction

class Steady:
    def predict(self, prompts):
        answers = []
        for query, size in enumerate(prompts.context_sizes):
            x, y = prompts.context_x[:, :size], prompts.context_y[:, :size, None]
            weights = torch.linalg.pinv(x) @ y
            answers.append((prompts.query_x[:, query] * weights[:, :, 0]).sum(dim=1))
        return Prediction((1.0 - {share}) * torch.stack(answers, dim=1))
"""


def steady_suite(version: int, seed: int) -> str:
    return suite_text(
        "steady",
        version,
        prompts={"context_sizes": [4, 6], "noise_std": None, "seeds": [seed]},
        models=[{"use": "./own.py:Steady", "name": "steady"}, "zero"],
        scenarios=["base", {"use": "covariate/scale", "severities": [2.0]}],
        metrics=["squared_error", "normalised_error"],
    )


def test_real_runs_from_end_to_end(tmp_path: Path) -> None:
    """The risk of a model that keeps the share 1 - s of the noiseless answer is s^2: worsened by 5% and 1% exactly."""

    def run(name: str, rise: float = 0.0, version: int = 1, seed: int = 0, **options: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "own.py").write_text(STEADY.replace("{share}", repr(0.5 * (1.0 + rise) ** 0.5)))
        (folder / "suite.toml").write_text(steady_suite(version, seed))
        return run_suite(folder / "suite.toml", folder / "run", **options).path

    base = run("base")
    heads = {
        "same": (run("same"), 0, "equal to the bit"),
        "worse by 5%": (run("five", 0.05), 1, "+5.0%"),
        "worse by 1%": (run("one", 0.01), 0, "no regression"),
        "another seed": (run("seed", seed=1), 3, "seed 1"),
        "another version": (run("version", version=2), 3, "version 2"),
        "a missing cell": (run("missing", models=["zero"]), 4, "steady"),
    }
    for name, (head, code, said) in heads.items():
        done = command("compare", base, head)
        assert done.exit_code == code, (name, done.stdout, done.stderr)
        assert said in done.stdout + done.stderr
    changed = json.loads(command("compare", base, heads["worse by 5%"][0], "--json").stdout)["cells"]
    assert {round(cell["headline"]["change"], 4) for cell in changed if cell["model"] == "steady"} == {0.05}
    baseline = tmp_path / "baseline"
    assert command("compare", baseline, base, "--update").exit_code == 0
    assert pq.read_table(baseline / "scores.parquet").num_rows > 0
    assert command("compare", baseline, heads["same"][0]).exit_code == 0
    assert command("compare", baseline, heads["worse by 5%"][0], "--format", "github").exit_code == 1


def test_a_reader_that_goes_away_does_not_turn_red_into_green(tmp_path: Path) -> None:
    names = [f"model-{number}" for number in range(60)]
    base = Synthetic(dict.fromkeys(names, 1.0), n_prompts=64).write(tmp_path / "base")
    head = Synthetic(dict.fromkeys(names, 1.5), n_prompts=64).write(tmp_path / "head")
    reading, writing = os.pipe()
    os.close(reading)
    line = [sys.executable, "-c", MAIN, "compare", str(base), str(head), "--json"]
    done = subprocess.run(line, stdout=writing, stderr=subprocess.PIPE, env=environment())
    os.close(writing)
    assert done.returncode == 1, done.stderr
