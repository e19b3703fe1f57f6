"""Run-level scores against plain numpy on the losses, and against what theory says exactly."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from icl_bench import Run, read_run
from icl_bench.compare.baseline_folder import update
from icl_bench.report.section_catalogue import section_names
from icl_bench.scores.axis_scores import run_scores, scores_of
from icl_bench.scores.changes import score_changes
from icl_bench.scores.records import AUSC, AXIS, GAP, INTERACTION, POINT, SCENARIO, SDR, RunScores
from icl_bench.scores.summary import summarise
from icl_bench.statistics.intervals import student_t
from icl_bench.tables.baseline import write_baseline
from icl_bench.tables.manifest import read_manifest, write_manifest
from icl_bench.tables.schema import PROMPTS
from icl_bench.tables.stored_losses import open_losses
from tests.command import command
from tests.stored_runs import handed_out, stored, suite_run

D, SIZE, NOISE, N = 4, 12, 0.25, 700
SUITE = f"""
[suite]
name = "scores"
version = 1
[prompts]
n_dims = {D}
context_sizes = [4, {SIZE}]
noise_std = 0.5
n_prompts = {N}
seeds = [3, 5]
[training]
n_context = {SIZE}
[[models]]
use = "bayes"
[[models]]
use = "bayes_train"
[[models]]
use = "ols"
[[models]]
use = "averaging"
[[models]]
use = "zero"
[[scenarios]]
use = "base"
[[scenarios]]
use = "covariate/scale"
severities = [0.5, 1.0, 2.0]
[[scenarios]]
use = "covariate/mean"
severities = [1.0]
[[scenarios]]
use = "covariate/scale"
name = "fewer/scale"
severities = [2.0]
[scenarios.prompts]
n_prompts = 300
[[scenarios]]
use = "length/ratio"
severities = [0.3333333333333333]
[[scenarios]]
use = "noise/variance"
severities = [0.05, 1.0]
[[scenarios]]
use = "noise/heavy_tail"
severities = [3.0]
[[scenarios]]
product = [{{use = "covariate/scale", severities = [2.0, 3.0]}}, {{use = "noise/variance", severities = [1.0]}}]
[metrics]
use = ["squared_error", "excess_risk", "bayes_risk", "zero_error", "agreement:bayes_train"]
"""
JOINT = "joint/covariate_scale+noise_variance"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    for folder in handed_out(stored(tmp_path_factory, "scores", suite_run(SUITE)) / "run"):
        yield read_run(folder)


@pytest.fixture(scope="module")
def scores(run: Run) -> RunScores:
    return run_scores(run.path)


@pytest.fixture(scope="module")
def risk(run: Run):
    """(scenario, label, model) -> per-prompt risk and Bayes risk, seeds one after the other."""
    frame = run.losses
    frame = frame[frame.context_size == np.where(frame.scenario == "length/ratio", 4, SIZE)]
    ordered = frame.sort_values(["seed", "prompt"])
    columns = {
        key: {name: part[name].to_numpy(float) for name in ("excess_risk", "bayes_risk", "agreement:bayes_train")}
        for key, part in ordered.groupby(["scenario", "severity_label", "model"])
    }

    def of(scenario: str, label: str, model: str) -> tuple[np.ndarray, np.ndarray]:
        bayes = columns[scenario, label, PROMPTS]["bayes_risk"]
        return bayes + columns[scenario, label, model]["excess_risk"], bayes

    return of


def log_ratio(risk, scenario: str, label: str, model: str, kept=slice(None)) -> float:
    own, bayes = risk(scenario, label, model)
    return math.log((own[kept].mean() + NOISE) / (bayes[kept].mean() + NOISE))


def test_kappa_is_the_noise_variance_and_is_printed(run, scores):
    assert (scores.kappa, scores.kappa_source) == (NOISE, "noise variance")
    printed = command("report", run.path, "--full").stdout
    assert "kappa = 0.250 (noise variance)" in " ".join(printed.split())


def test_without_noise_kappa_is_a_share_of_the_signal(run):
    losses = open_losses(run.path)
    losses.manifest = replace(losses.manifest, noise_variance=0.0)
    found = scores_of(losses)
    assert found.kappa == pytest.approx(1e-3 * D, rel=0.2)
    assert found.kappa_source == "0.001 of the risk of predicting zero"


@pytest.mark.parametrize(("model", "label"), list(product(("ols", "averaging", "zero", "bayes_train"), ("0.5", "2"))))
def test_sdr_of_a_point_is_the_ratio_of_ratios(scores, risk, model, label):
    found = scores.of(SDR, POINT)[model, "covariate/scale", label]
    expected = log_ratio(risk, "covariate/scale", label, model) - log_ratio(risk, "covariate/scale", "1", model)
    assert found.value == pytest.approx(math.exp(expected), rel=1e-6)


def test_intervals_are_those_of_the_jackknife_over_prompts(scores, risk):
    model, rows = "averaging", 2 * N

    def sdr(kept) -> float:
        shifted = log_ratio(risk, "covariate/scale", "2", model, kept)
        return shifted - log_ratio(risk, "covariate/scale", "1", model, kept)

    left_out = np.array([sdr(np.arange(rows) != index) for index in range(rows)])
    stderr = math.sqrt((rows - 1) / rows * np.square(left_out - left_out.mean()).sum())
    found = scores.of(SDR, POINT)[model, "covariate/scale", "2"]
    width = math.log(found.high / found.low) / (2.0 * student_t(rows - 1, 0.95))
    assert width == pytest.approx(stderr, rel=0.02)
    assert math.sqrt(found.low * found.high) == pytest.approx(found.value, rel=1e-9)


def test_severities_with_fewer_prompts_share_those_they_have(scores, risk):
    model, few = "averaging", 300
    (shifted, shifted_bayes), (base, base_bayes) = risk("fewer/scale", "2", model), risk("base", "", model)
    assert (len(shifted), len(base)) == (2 * few, 2 * N)
    influence = np.zeros((2, N))  # seed, prompt: what each prompt adds to the logarithm of SDR
    for values, bayes, count, sign in ((shifted, shifted_bayes, few, 1.0), (base, base_bayes, N, -1.0)):
        excess = values / (values.mean() + NOISE) - bayes / (bayes.mean() + NOISE)
        influence[:, :count] += sign * (excess - excess.mean()).reshape(2, count) / (2 * count)
    stderr = math.sqrt(np.square(influence).sum())
    found = scores.of(SDR, POINT)[model, "fewer/scale", "2"]
    assert math.log(found.high / found.low) / 2.0 == pytest.approx(1.96 * stderr, rel=0.03)


def test_scenarios_average_severities_and_axes_average_scenarios(scores, risk):
    for model in ("ols", "averaging"):
        scale = [log_ratio(risk, "covariate/scale", label, model) for label in ("0.5", "1", "2")]
        mean = log_ratio(risk, "covariate/mean", "1", model)
        base = log_ratio(risk, "base", "", model)
        ausc = np.mean(scale) / math.log(10.0)
        assert scores.of(AUSC, SCENARIO)[model, "covariate/scale", ""].value == pytest.approx(ausc, rel=1e-5)
        axis = (np.mean(scale) + mean) / 2.0 / math.log(10.0)
        assert scores.of(AUSC, AXIS)[model, "covariate", ""].value == pytest.approx(axis, rel=1e-5)
        # the unshifted severity is no shift: SDR leaves it out
        sdr = (np.mean([scale[0], scale[2]]) - scale[1] + mean - base) / 2.0
        assert scores.of(SDR, AXIS)[model, "covariate", ""].value == pytest.approx(math.exp(sdr), rel=1e-5)


def test_bayes_loses_nothing_anywhere(scores):
    for score in scores.scores:
        if score.model == "bayes" and score.name in (SDR, AUSC) and score.value is not None:
            exact = 1.0 if score.name == SDR else 0.0
            assert score.value == score.low == score.high == exact


def test_the_frozen_prior_gap_of_the_two_references_mirror_each_other(scores):
    points = scores.of(GAP, POINT)
    where = {(scenario, label) for _, scenario, label in points}
    # a shift of the covariates leaves both references the same, so that there is nothing to tell
    assert where == {("noise/variance", "0.05"), ("noise/variance", "1"), (JOINT, "2 x 1"), (JOINT, "3 x 1")}
    for scenario, label in where:
        own, frozen = points["bayes", scenario, label], points["bayes_train", scenario, label]
        assert frozen.value == pytest.approx(-own.value, rel=1e-6)
        assert own.high < 0.0 < frozen.low


def test_least_squares_has_no_interaction_of_scale_and_noise(scores, risk):
    # its risk is s2 d / (n - d - 1), whatever the scale of the covariates: the two shifts multiply
    found = scores.of(INTERACTION, POINT)
    score = found["ols", JOINT, "2 x 1"]
    assert score.low < 0.0 < score.high
    assert score.high - score.low < 0.25
    logs = {
        place: math.log(risk(*place, "averaging")[0].mean())
        for place in ((JOINT, "2 x 1"), ("covariate/scale", "2"), ("noise/variance", "1"), ("base", ""))
    }
    expected = logs[JOINT, "2 x 1"] - logs["covariate/scale", "2"] - logs["noise/variance", "1"] + logs["base", ""]
    assert found["averaging", JOINT, "2 x 1"].value == pytest.approx(expected, abs=1e-6)


def test_what_cannot_be_known_is_null_with_the_reason(scores):
    missing = scores.of(INTERACTION, POINT)["ols", JOINT, "3 x 1"]
    assert missing.value is None
    assert "alone" in missing.message
    tailed = scores.of(SDR, POINT)["ols", "noise/heavy_tail", "3"]
    assert tailed.value is None
    assert "no closed-form Bayes" in tailed.message
    axis = scores.of(SDR, AXIS)["ols", "noise", ""]
    assert (axis.n_points, axis.n_possible) == (2, 3)
    # after as many examples as dimensions the risk of least squares has no mean
    threshold = scores.of(SDR, POINT)["ols", "length/ratio", "0.3333"]
    assert threshold.value is None
    assert "does not exist" in threshold.message
    assert scores.of(SDR, POINT)["averaging", "length/ratio", "0.3333"].value is not None


class Worsened:
    """A run whose risks at one severity are all 20% higher."""

    def __init__(self, losses) -> None:
        self.losses, self.folder, self.manifest, self.sets = losses, losses.folder, losses.manifest, losses.sets

    def read(self, place, columns, sizes=None):
        found = self.losses.read(place, columns, sizes)
        if place.place.name == "covariate/scale 2":
            found["averaging"] = {name: np.float32(1.2) * values for name, values in found["averaging"].items()}
        return found


def test_changes_of_scores_are_paired_and_exact(run):
    losses = open_losses(run.path)
    same = score_changes(losses, open_losses(run.path), "squared_error")
    known = [score for score in same.scores if score.value is not None]  # least squares has no mean at the threshold
    assert {score.value for score in known if score.name == AUSC} == {0.0}
    assert {(score.low, score.high) for score in known if score.name == SDR} == {(1.0, 1.0)}

    changed = score_changes(losses, Worsened(losses), "squared_error")
    risk = float(np.mean(np.concatenate([
        losses.read(place, ["squared_error"], [SIZE])["averaging"]["squared_error"][:, 0].astype(float)
        for place in losses.sets if place.place.name == "covariate/scale 2"
    ])))  # fmt: skip
    rise = math.log10((1.2 * risk + NOISE) / (risk + NOISE))
    # one severity of three in one scenario of two; SDR leaves the unshifted severity out
    ausc = changed.of(AUSC, AXIS)["averaging", "covariate", ""]
    assert ausc.value == pytest.approx(rise / 6.0, rel=1e-5)
    assert ausc.low < ausc.value < ausc.high
    assert ausc.high - ausc.low < ausc.value / 2.0  # paired: far surer than the scores themselves
    assert changed.of(SDR, AXIS)["averaging", "covariate", ""].value == pytest.approx(10.0 ** (rise / 4.0), rel=1e-5)
    assert changed.of(AUSC, AXIS)["ols", "covariate", ""].value == 0.0
    # no Bayes prediction is needed to say that nothing changed
    assert changed.of(AUSC, AXIS)["averaging", "noise", ""].n_points == 3


def test_a_baseline_gives_the_same_scores(run, scores, tmp_path):
    losses = open_losses(run.path)
    columns = ["excess_risk", "bayes_risk", "zero_error", "agreement:bayes_train"]
    write_manifest(tmp_path, replace(losses.manifest, kind="baseline"))
    write_baseline(tmp_path, losses, columns, [(place.headline_size,) for place in losses.sets])
    assert run_scores(tmp_path) == scores


def test_a_baseline_reports_the_same_headline_and_what_was_skipped(run, tmp_path):
    update(tmp_path / "baseline", open_losses(run.path), None, None, allow_missing=False)
    whole, thin = summarise(run.path), summarise(tmp_path / "baseline")
    assert thin.coverage.cells == whole.coverage.cells
    assert thin.coverage.cells["skipped"] > 0
    assert thin.points == whole.points
    assert thin.breakdowns == whole.breakdowns


def test_where_no_excess_is_stored_the_risk_is_as_sampled(run, scores, tmp_path):
    losses = open_losses(run.path)
    write_manifest(tmp_path, replace(losses.manifest, kind="baseline"))
    columns = ["squared_error", "bayes_risk", "zero_error"]
    write_baseline(tmp_path, losses, columns, [(place.headline_size,) for place in losses.sets])
    found, exact = run_scores(tmp_path).of(AUSC, AXIS), scores.of(AUSC, AXIS)
    for model in ("ols", "averaging", "zero", "bayes"):
        sampled, orthogonal = found[model, "covariate", ""], exact[model, "covariate", ""]
        assert sampled.low <= orthogonal.value <= sampled.high
        if model in ("bayes", "ols"):  # near Bayes, the luck of the draw is most of a sampled risk
            assert sampled.high - sampled.low > 2.0 * (orthogonal.high - orthogonal.low)
    assert not run_scores(tmp_path).of(GAP, AXIS)


def test_a_run_without_the_bayes_risk_says_what_to_store(run, tmp_path):
    losses = open_losses(run.path)
    write_manifest(tmp_path, replace(losses.manifest, kind="baseline"))
    write_baseline(tmp_path, losses, ["squared_error", "zero_error"], [(place.headline_size,) for place in losses.sets])
    found = run_scores(tmp_path)
    assert {score.value for score in found.scores if score.name in (SDR, AUSC)} == {None}
    interactions = found.of(INTERACTION, POINT)
    assert interactions["averaging", JOINT, "2 x 1"].value is not None  # a ratio of risks, Bayes or not
    alone = replace(losses.manifest, kind="baseline", factors={})
    write_manifest(tmp_path, alone)
    assert "did not store bayes_risk: name it in the suite" in run_scores(tmp_path).note


def test_a_run_without_losses_says_so(run, tmp_path):
    shutil.copy(run.path / "manifest.json", tmp_path)
    shutil.copy(run.path / "scores.parquet", tmp_path)
    assert "losses of this run were not kept" in run_scores(tmp_path).note
    result = command("report", tmp_path)
    assert result.exit_code == 0
    assert "losses of this run were not kept" in result.stdout


def test_a_schema_1_run_is_read(run, scores, tmp_path):
    shutil.copytree(run.path, tmp_path / "old")
    manifest = json.loads((tmp_path / "old" / "manifest.json").read_text())
    for name in ("noise_variance", "factors", "kind"):
        del manifest[name]
    (tmp_path / "old" / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 1}))
    assert read_manifest(tmp_path / "old").noise_variance is None
    found = run_scores(tmp_path / "old")
    assert found.kappa == pytest.approx(1e-3 * D, rel=0.2)
    assert not found.of(INTERACTION, POINT)


def test_every_format_shows_them(run, scores):
    def shown(*arguments: str) -> str:
        result = command("report", run.path, *arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    for arguments in (["--full"], ["--format", "markdown"], ["--format", "latex"]):
        text = shown(*arguments)
        assert "SDR" in text
        assert "AUSC" in text
        assert "Interaction of joint shifts" in text
        assert "Frozen-prior gap" in text
    rows = list(csv.DictReader(io.StringIO(shown("--format", "csv", "--table", "scores"))))
    assert len(rows) == len(scores.scores)
    assert float(rows[0]["kappa"]) == NOISE
    for row, score in zip(rows, scores.scores, strict=True):
        assert row["value"] == ("" if score.value is None else str(score.value))
    document = json.loads(shown("--format", "json"))
    assert document["run_scores"]["kappa"] == NOISE
    assert len(document["run_scores"]["scores"]) == len(scores.scores)


def test_agreement_is_the_mean_squared_difference_of_answers(run):
    result = command("report", run.path, "--format", "csv", "--table", "agreement")
    rows = {
        (row["scenario"], row["severity_label"], row["model"]): row
        for row in csv.DictReader(io.StringIO(result.stdout))
        if row["reference"] == "bayes_train"
    }
    frame = run.losses
    for scenario, label in (("base", ""), ("covariate/scale", "2")):
        there = frame[(frame.scenario == scenario) & (frame.severity_label == label) & (frame.context_size == SIZE)]
        seeds = [there[there.seed == seed] for seed in (3, 5)]
        distance = np.mean([part[part.model == "ols"]["agreement:bayes_train"].astype(float).mean() for part in seeds])
        zero = np.mean([part[part.model == PROMPTS].zero_error.astype(float).mean() for part in seeds])
        assert float(rows[scenario, label, "ols"]["value"]) == pytest.approx(distance / zero, rel=1e-6)
    assert float(rows["base", "", "bayes_train"]["value"]) == 0.0
    printed = command("report", run.path, "--full").stdout
    assert "Which algorithm is it" in printed


@pytest.mark.parametrize("table", section_names())
def test_every_table_comes_as_csv(run, table):
    result = command("report", run.path, "--format", "csv", "--table", table)
    assert result.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert rows
    assert all(row["run"] == str(run.path) and None not in row.values() for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "json", "--table", "scores"], "json holds every table"),
        (["--format", "csv", "--full"], "--full is for the terminal"),
        (["--format", "csv", "--table", "score"], "did you mean 'scores'"),
    ],
)
def test_tables_that_cannot_be_shown_are_refused(run, arguments, message):
    result = command("report", run.path, *arguments)
    assert result.exit_code == 2
    assert message in result.output
