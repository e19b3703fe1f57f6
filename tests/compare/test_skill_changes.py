"""Skill in a comparison: paired, printed, and never what decides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from icl_bench.scores.skill import run_skills
from icl_bench.scores.skill_changes import skill_changes
from icl_bench.scores.skill_records import OVERALL
from icl_bench.tables.stored_losses import open_losses
from tests.command import command
from tests.stored_runs import handed_out, stored, suite_run

SUITE = """
[suite]
name = "moved"
version = 1
[prompts]
n_dims = 3
context_sizes = [4, 8]
noise_std = 0.5
n_prompts = 300
[training]
n_context = 8
[[models]]
use = "bayes"
[[models]]
use = "ridge"
alpha = {alpha}
[[models]]
use = "zero"
[[scenarios]]
use = "base"
[[scenarios]]
use = "covariate/scale"
severities = [0.5, 2.0]
[[scenarios]]
use = "task/scale"
severities = [2.0]
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    made = [stored(tmp_path_factory, f"moved-{alpha}", suite_run(SUITE.format(alpha=alpha))) for alpha in (0.3, 20.0)]
    yield from zip(*(handed_out(folder / "run") for folder in made), strict=True)


def test_the_difference_is_that_of_the_scores_with_a_paired_interval(runs: tuple[Path, Path]) -> None:
    base, head = runs
    found = {item.model: item for item in skill_changes(open_losses(base), open_losses(head)).changes}
    before, after = (run_skills(folder).of(OVERALL) for folder in runs)
    for model, item in found.items():
        one, other = before[model, ""], after[model, ""]
        assert (item.base, item.head) == pytest.approx((one.skill, other.skill))
        assert item.change == pytest.approx((other.skill or 0.0) - (one.skill or 0.0), abs=1e-12)
    ridge = found["ridge"]
    assert ridge.low is not None
    assert ridge.high is not None
    assert ridge.low < ridge.change < ridge.high < 0.0
    assert (found["bayes"].change, found["bayes"].low, found["bayes"].high) == (0.0, 0.0, 0.0)
    width = np.subtract(*((after["ridge", ""].ci_high, after["ridge", ""].ci_low)))  # type: ignore[call-overload]
    assert ridge.high - ridge.low < 2.0 * width


def test_it_is_printed_and_decides_nothing(runs: tuple[Path, Path]) -> None:
    base, head = runs
    answer = json.loads(command("compare", base, head, "--json").stdout)
    moved = {item["model"]: item for item in answer["skill"]["changes"]}
    assert moved["ridge"]["change"] < 0.0
    shown = command("compare", base, head, "--margin", "900%", "--alpha", "0.001")
    assert "Change of skill under shift" in shown.stdout
    assert shown.exit_code == 0  # far less skill, and a margin that allows it


def test_a_baseline_keeps_what_it_needs_and_an_older_one_says_what_lacks(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    base, head = runs
    assert command("compare", tmp_path / "kept", base, "--update").exit_code == 0
    kept = skill_changes(open_losses(tmp_path / "kept"), open_losses(head))
    whole = skill_changes(open_losses(base), open_losses(head))
    assert [item.change for item in kept.changes] == pytest.approx([item.change for item in whole.changes])
    manifest = tmp_path / "kept" / "manifest.json"
    fields = json.loads(manifest.read_text())
    for label in ("bayes_signal", "excess_risk"):
        del fields["metric_cards"][label]
    manifest.write_text(json.dumps({**fields, "schema_version": 4}))
    lacking = skill_changes(open_losses(tmp_path / "kept"), open_losses(head))
    assert not lacking.changes
    assert "BASE" in lacking.note
