"""Skill of a run: recomputed from its losses with plain numpy; what counts, what is left out, what is not answered."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from icl_bench import Run, read_run, run_suite
from icl_bench.scores.skill import run_skills
from icl_bench.scores.skill_basis import is_shifted
from icl_bench.scores.skill_breaks import breaks
from icl_bench.scores.skill_records import AXIS, CELL, OVERALL, SCENARIO, UNSHIFTED, Skills
from icl_bench.tables.manifest import read_manifest, write_manifest
from tests.command import command
from tests.stored_runs import handed_out, stored, suite_run

SIZE, N = 8, 300
SUITE = f"""
[suite]
name = "skilled"
version = 1
[prompts]
n_dims = 3
context_sizes = [0, 4, {SIZE}]
noise_std = 0.5
n_prompts = {N}
seeds = [3, 5]
[training]
n_context = {SIZE}
[[models]]
use = "bayes"
[[models]]
use = "ols"
[[models]]
use = "averaging"
[[models]]
use = "zero"
[[models]]
use = "./own.py:Quits"
[[models]]
use = "./own.py:Ridge"
name = "own-ridge"
[[scenarios]]
use = "base"
[[scenarios]]
use = "covariate/scale"
severities = [0.5, 1.0, 3.0]
[[scenarios]]
use = "query/scale"
severities = [2.0]
[scenarios.prompts]
n_prompts = 200
[[scenarios]]
use = "noise/variance"
severities = [0.05, 9000.0]
[[scenarios]]
use = "noise/heavy_tail"
severities = [3.0]
[[scenarios]]
product = [{{use = "covariate/scale", severities = [1.0, 2.0]}}, {{use = "noise/variance", severities = [1.0]}}]
"""
OWN = """
import torch
from icl_bench import Prediction
class Ridge:
    kind = "algorithm"
    def predict(self, prompts):
        x, y = prompts.context_x, prompts.context_y
        mean = []
        for q, size in enumerate(prompts.context_sizes):
            a = x[:, :size].mT @ x[:, :size] + 0.25 * torch.eye(x.shape[2], dtype=x.dtype)
            w = torch.linalg.solve(a, (x[:, :size].mT @ y[:, :size, None]))[..., 0]
            mean.append((w * prompts.query_x[:, q]).sum(-1))
        return Prediction(torch.stack(mean, 1))
class Quits(Ridge):
    def predict(self, prompts):
        found = super().predict(prompts)
        if prompts.context_x.abs().max() > 8.0:
            return Prediction(found.mean * float("nan"))
        return found
"""


@pytest.fixture(scope="module")
def skilled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield from handed_out(stored(tmp_path_factory, "skilled", suite_run(SUITE, OWN)) / "run")


@pytest.fixture(scope="module")
def skills(skilled: Path) -> Skills:
    return run_skills(skilled)


def by_hand(run: Run, model: str, scenario: str, label: str) -> float:
    """Return one cell's skill from the losses frame, as DESIGN has it."""
    losses = run.losses
    here = losses[(losses.scenario == scenario) & (losses.severity_label == label) & (losses.context_size == SIZE)]
    b2 = here[here.model == "(prompts)"].bayes_signal.to_numpy(np.float64)
    e2 = here[here.model == model].excess_risk.to_numpy(np.float64)
    c = (2 * np.sqrt(b2).mean()) ** 2
    a, b = np.minimum(e2, c).mean(), np.minimum(b2, c).mean()
    return float(1 - a / b if a <= b else -(a - b) / (c - b))


@pytest.mark.parametrize("model", ["ols", "averaging", "own-ridge", "zero", "bayes"])
@pytest.mark.parametrize(("scenario", "label"), [("covariate/scale", "0.5"), ("query/scale", "2")])
def test_a_cell_is_recomputed_from_the_losses(
    skilled: Path, skills: Skills, model: str, scenario: str, label: str
) -> None:
    expected = by_hand(read_run(skilled), model, scenario, label)
    assert skills.of(CELL)[model, f"{scenario} {label}"].skill == pytest.approx(expected, abs=1e-9)


def test_means_are_of_severities_then_scenarios_then_axes(skills: Skills) -> None:
    cells, scenarios, axes = skills.of(CELL), skills.of(SCENARIO), skills.of(AXIS)
    for model in ("ols", "averaging", "Quits"):
        covariate = [cells[model, f"covariate/scale {label}"].skill or 0.0 for label in ("0.5", "3")]
        assert scenarios[model, "covariate/scale"].skill == pytest.approx(np.mean(covariate))
        names = {name for own, name in axes if own == model and axes[own, name].skill is not None}
        assert names == {"covariate", "query", "noise", "joint"}
        overall = skills.of(OVERALL)[model, ""]
        assert overall.skill == pytest.approx(np.mean([axes[model, name].skill for name in names]))
        assert overall.n_possible == overall.n_points == 5


def test_the_ends_of_the_scale(skills: Skills) -> None:
    overall = skills.of(OVERALL)
    assert overall["bayes", ""].skill == overall["bayes", ""].ci_low == overall["bayes", ""].ci_high == 1.0
    assert overall["zero", ""].skill == 0.0
    values = [score.skill for score in skills.scores if score.skill is not None]
    assert values
    assert all(-1.0 <= value <= 1.0 for value in values)
    assert skills.basis == "bayes"
    assert skills.note == ""


def test_what_nobody_could_know_is_left_out_and_listed(skills: Skills) -> None:
    reasons = {item.place.name: item.reason for item in skills.left_out}
    assert set(reasons) == {"noise/variance 9000", "noise/heavy_tail 3"}
    assert "less than 5%" in reasons["noise/variance 9000"]
    assert "Gaussian" in reasons["noise/heavy_tail 3"]
    for name in reasons:
        row = skills.of(CELL)["ols", name]
        assert (row.skill, row.n_points, row.n_possible) == (None, 0, 0)
        assert row.message == reasons[name]


def test_unshifted_severities_do_not_count(skilled: Path, skills: Skills) -> None:
    manifest = read_manifest(skilled)
    assert manifest.at_identity == ("joint/covariate_scale+noise_variance 1 x 1",)
    names = {name for _, name in skills.of(CELL)}
    assert "covariate/scale 1" not in names
    assert "joint/covariate_scale+noise_variance 1 x 1" not in names
    assert all(is_shifted(manifest, place) for place in skills.places)
    assert ("ols", "base") in skills.of(UNSHIFTED)


def test_what_is_not_answered_is_the_worst_possible(skills: Skills) -> None:
    cells = skills.of(CELL)
    quit_at = cells["Quits", "covariate/scale 3"]
    assert (quit_at.skill, quit_at.ci_low, quit_at.ci_high, quit_at.uncapped) == (-1.0, -1.0, -1.0, None)
    assert quit_at.n_points == 1
    assert "nan" in quit_at.message
    for name in {name for _, name in cells}:
        twin, whole = cells["Quits", name].skill, cells["own-ridge", name].skill
        assert (twin is None and whole is None) or (twin or 0.0) <= (whole or 0.0)
    overall = skills.of(OVERALL)
    assert (overall["Quits", ""].skill or 0.0) < (overall["own-ridge", ""].skill or 0.0)


def test_kinds_and_ranks(skilled: Path, skills: Skills) -> None:
    overall = {model: score for (model, _), score in skills.of(OVERALL).items()}
    kinds = {model: score.kind for model, score in overall.items()}
    assert kinds == {
        "bayes": "yardstick",
        "zero": "yardstick",
        "ols": "algorithm",
        "averaging": "algorithm",
        "own-ridge": "algorithm",
        "Quits": "algorithm",
    }
    cards = read_manifest(skilled).model_cards
    assert [label for label, card in cards.items() if card.own] == ["Quits", "own-ridge"]
    ranked = [model for model, score in overall.items() if score.rank_low is not None]
    assert set(ranked) == {"ols", "averaging", "own-ridge", "Quits"}
    assert all(1 <= (overall[model].rank_low or 0) <= (overall[model].rank_high or 0) <= 4 for model in ranked)


def test_breaks_are_the_first_surely_below_zero(skilled: Path, skills: Skills) -> None:
    found = breaks(skills, read_manifest(skilled))
    assert "bayes" not in found
    assert "ols" not in found
    assert next(item.place.name for item in found["averaging"]) == "covariate/scale 3"


def test_a_run_of_some_models_has_the_same_skill(skilled: Path, tmp_path: Path) -> None:
    suite = tmp_path / "suite.toml"
    suite.write_text(SUITE)
    (tmp_path / "own.py").write_text(OWN)
    narrow = run_suite(suite, tmp_path / "narrow", models=["ols", "averaging"])
    held, whole = run_skills(narrow.path), run_skills(skilled)
    for key, score in held.of(OVERALL).items():
        same = whole.of(OVERALL)[key]
        ranks = {"rank_low": None, "rank_high": None}
        assert dataclasses.replace(score, **ranks) == dataclasses.replace(same, **ranks)


def test_without_bayes_it_is_held_against_f_and_says_so(skilled: Path, tmp_path: Path) -> None:
    text = SUITE.replace(
        'use = "noise/variance"\nseverities = [0.05, 9000.0]',
        'use = "noise/heavy_tail"\nname = "noise/other"\nseverities = [4.0, 5.0, 6.0, 7.0, 8.0, 9.0]',
    )
    (tmp_path / "suite.toml").write_text(text)
    (tmp_path / "own.py").write_text(OWN)
    run = run_suite(tmp_path / "suite.toml", tmp_path / "run", n_prompts=64)
    found = run_skills(run.path)
    assert found.basis == "f"
    assert "not against Bayes" in found.note
    scores = found.of(OVERALL)
    assert scores["zero", ""].skill == 0.0
    assert (scores["bayes", ""].skill or 1.0) < 1.0
    assert all(score.basis == "f" for score in found.scores)


def test_an_older_run_uses_what_it_stored_or_says_what_lacks(skilled: Path, tmp_path: Path) -> None:
    def older(name: str, keep_zero: bool) -> Skills:
        folder = tmp_path / name
        shutil.copytree(skilled, folder)
        manifest = read_manifest(folder)
        cards = {label: card for label, card in manifest.metric_cards.items() if label != "bayes_signal"}
        models = {label: own for label, own in manifest.models.items() if keep_zero or label != "zero"}
        write_manifest(
            folder,
            dataclasses.replace(manifest, metric_cards=cards, models=models, model_cards={}, schema_version=4),
        )
        return run_skills(folder)

    known = older("known", True)
    for key, score in run_skills(skilled).of(OVERALL).items():
        assert known.of(OVERALL)[key].skill == pytest.approx(score.skill, abs=1e-6)
    without = older("without", False)
    assert without.basis == "f"
    assert "schema version 4" in without.note


def test_the_suites_own_list_decides(skilled: Path, tmp_path: Path) -> None:
    text = SUITE.replace("[[models]]", '[skill]\nleft_out = ["covariate/scale 3"]\n[[models]]', 1)
    (tmp_path / "suite.toml").write_text(text)
    (tmp_path / "own.py").write_text(OWN)
    run = run_suite(tmp_path / "suite.toml", tmp_path / "run", n_prompts=64, models=["ols", "zero"])
    reasons = {item.place.name: item.reason for item in run_skills(run.path).left_out}
    assert set(reasons) == {"covariate/scale 3", "noise/heavy_tail 3"}
    assert "left_out" in reasons["covariate/scale 3"]


def test_a_place_that_no_scenario_has_is_refused_with_its_line(tmp_path: Path) -> None:
    suite = tmp_path / "suite.toml"
    suite.write_text(SUITE.replace("[[models]]", '[skill]\nleft_out = ["covariate/scale 33"]\n[[models]]', 1))
    done = command("run", suite, "--out", tmp_path / "run")
    assert done.exit_code == 2
    assert "covariate/scale 33" in done.stderr
    assert "did you mean" in done.stderr
    assert f"{suite.name}:" in done.stderr


def test_csv_has_the_columns_in_their_order(skilled: Path) -> None:
    done = command("report", skilled, "--format", "csv", "--table", "skill")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    columns = "run model kind scope name skill ci_low ci_high uncapped at_cap n_points n_possible worst worst_at"
    assert " ".join(rows[0]) == f"{columns} rank_low rank_high basis message"
    assert {row["scope"] for row in rows} == {"overall", "axis", "scenario", "cell", "unshifted"}
    assert all(not row["uncapped"] for row in rows if row["scope"] not in ("cell", "unshifted"))


def test_report_narrows_and_json_holds_all(skilled: Path) -> None:
    done = command(
        "report", skilled, "--format", "csv", "--table", "skill", "--models", "ols,zero", "--scenarios", "query/*"
    )
    rows = [row for row in csv.DictReader(io.StringIO(done.stdout)) if row["scope"] == "overall"]
    assert {row["model"] for row in rows} == {"ols", "zero"}
    assert {row["n_possible"] for row in rows} == {"1"}
    held = json.loads(command("report", skilled, "--json").stdout)["skill"]
    assert held["basis"] == "bayes"
    assert len(held["left_out"]) == 2
    wrong = command("report", skilled, "--models", "olss")
    assert wrong.exit_code == 2
    assert "did you mean 'ols'" in wrong.stderr


def test_python_frames_have_their_types(skilled: Path) -> None:
    run = read_run(skilled)
    frame = run.skill
    assert str(frame.rank_low.dtype) == "Int64"
    assert str(frame.skill.dtype) == "float64"
    assert frame.attrs["basis"] == "bayes"
    assert set(frame.attrs["left_out"]) == {
        "noise/variance 9000",
        "noise/heavy_tail 3",
    }
    assert len(repr(run).splitlines()) == 3
    assert "skilled" in repr(run)
    assert "<table" in run._repr_html_()
    assert "own-ridge" in run._repr_html_()
    assert run.summary().splitlines()[0] == "skilled version 1"
