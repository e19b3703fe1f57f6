"""`icl-bench compare`: every exit code as documented, on real runs and on synthetic ones whose truth is known."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from typer.testing import CliRunner

from icl_bench import run_suite
from icl_bench.cli.main import app
from icl_bench.compare.amounts import percent, size_list
from icl_bench.compare.baseline_folder import baseline_digest
from icl_bench.compare.changes import point_changes
from icl_bench.compare.comparison import compare
from icl_bench.compare.github import shortened_to
from icl_bench.compare.judging import cell_weights
from icl_bench.compare.pairing import pair
from icl_bench.compare.pooling import cluster_rows, whole_clusters
from icl_bench.compare.settings import Settings
from icl_bench.places import Place
from icl_bench.seeding import BLOCK_SIZE
from icl_bench.tables.losses import open_losses
from icl_bench.tables.manifest import Manifest, read_manifest, write_manifest
from icl_bench.tables.metric_cards import MetricCard
from icl_bench.tables.schema import PROMPTS, SCHEMA_KEY
from icl_bench.tables.score_table import write_scores
from icl_bench.tables.units import ModelOutcome, Unit, UnitHeader, write_unit

from .conftest import ROOT, Command


@dataclass(frozen=True)
class Synthetic:
    """A run whose losses are known: squared normals times a factor per model, `jitter` of them of its own."""

    factors: Mapping[str, float] = field(default_factory=lambda: {"one": 1.0, "two": 1.0})
    places: tuple[tuple[str, float | None], ...] = (("base", None), ("covariate/scale", 2.0), ("covariate/scale", 3.0))
    seeds: tuple[int, ...] = (0,)
    n_prompts: int = 512
    sizes: tuple[int, ...] = (2, 4, 8)
    headline: int = 4
    suite: str = "made"
    version: int = 1
    salt: str = ""  # of the prompts' digests
    status: Mapping[tuple[str, str], str] = field(default_factory=dict)  # model, scenario -> not ok
    absent: frozenset[str] = frozenset()  # models that were not run
    tail: float | None = float("inf")
    cluster_size: int | None = 1
    scale: float = 1.0
    jitter: float = 0.05
    constant: bool = False
    state: str = "complete"
    column: str = "squared_error"
    with_signal: bool = True
    worse_at: Mapping[int, float] = field(default_factory=dict)  # context size -> further factor

    def write(self, folder: Path) -> Path:
        (folder / "losses").mkdir(parents=True)
        for number, place in enumerate(self.places):
            for seed in self.seeds:
                for block in range(-(-self.n_prompts // BLOCK_SIZE)):
                    unit = self._unit(number, place, seed, block)
                    write_unit(folder / "losses" / f"{number}_s{seed}_b{block:06d}_0.parquet", unit)
        write_manifest(folder, self.manifest())
        write_scores(folder / "scores.parquet", [])
        return folder

    def manifest(self) -> Manifest:
        return Manifest(
            suite=self.suite,
            suite_version=self.version,
            suite_digest="s",
            run_digest="r",
            code_digest="c",
            suite_text="",
            training_context=self.headline,
            n_dims=4,
            scenarios=tuple(dict.fromkeys(name for name, _ in self.places)),
            models=dict.fromkeys(self.factors, "m"),
            metrics=(self.column,),
            metric_cards=self.cards(),
            versions={"icl-bench": "0.1.0"},
            status=self.state,
        )

    def cards(self) -> dict[str, MetricCard]:
        own = MetricCard(self.column, "squared label", "lower", False, "risk", "mean", True, self.column)
        signal = dataclasses.replace(own, use="zero_error", role="signal", needs_model=False, of="zero_error")
        return {self.column: own, **({"zero_error": signal} if self.with_signal else {})}

    def _unit(self, number: int, place: tuple[str, float | None], seed: int, block: int) -> Unit:
        rows = min(BLOCK_SIZE, self.n_prompts - block * BLOCK_SIZE)
        tails = (self.tail,) * len(self.sizes)
        outcomes = [ModelOutcome(PROMPTS, "", "ok", "", 0.0, {}, {"zero_error": tails} if self.with_signal else {})]
        losses = {PROMPTS: {"zero_error": np.full((rows, len(self.sizes)), self.scale, np.float32)}}
        for model in self.factors:
            if model in self.absent:
                continue
            status = self.status.get((model, place[0]), "ok")
            known = {self.column: tails} if status == "ok" else {}
            outcomes.append(ModelOutcome(model, "m", status, "" if status == "ok" else "went wrong", 0.1, {}, known))
            if status == "ok":
                losses[model] = {self.column: self._losses(model, number, seed, block, rows)}
        if not self.with_signal:
            losses[PROMPTS] = {}
        header = UnitHeader(
            run_digest="r",
            prompt_digest=f"{place}/{seed}/{block}/{self.salt}",
            place=Place(place[0], (place[1],)),
            seed=seed,
            block=block,
            n_prompts=rows,
            context_sizes=self.sizes,
            headline_size=self.headline,
            cluster_size=self.cluster_size,
            columns=(self.column, "zero_error"),
            outcomes=tuple(outcomes),
        )
        return Unit(header, losses)

    def _losses(self, model: str, number: int, seed: int, block: int, rows: int) -> np.ndarray:
        shape = (rows, len(self.sizes))
        shared = np.random.default_rng([number, seed, block]).standard_normal(shape)
        own = np.random.default_rng([number, seed, block, 7]).standard_normal(shape)
        factor = self.factors[model]
        further = np.array([self.worse_at.get(size, 1.0) for size in self.sizes])
        answer = shared if factor == 1.0 and not self.worse_at else shared * (1.0 + self.jitter * own)
        values = np.ones(shape) if self.constant else np.square(answer)
        return (self.scale * factor * further * values).astype(np.float32)


BASE = Synthetic()
WORSE = Synthetic({"one": 1.0, "two": 1.05})


def invoke(*arguments: object, **environment: str) -> Result:
    variables = {"COLUMNS": "100", "GITHUB_STEP_SUMMARY": "", **environment}
    return CliRunner(env=variables).invoke(app, ["compare", *map(str, arguments)])


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """Write a synthetic run of a name, `base` by default as it is."""

    def write(name: str, run: Synthetic = BASE) -> Path:
        return run.write(tmp_path / name)

    return write


def test_equal_runs_pass_at_once_and_say_so(made: Callable[..., Path]) -> None:
    done = invoke(made("base"), made("head"))
    assert done.exit_code == 0
    assert done.stdout.startswith("PASS: every loss of 6 cells is equal to the bit\n")


def test_a_rise_of_5_percent_is_red_and_named(made: Callable[..., Path]) -> None:
    done = invoke(made("base"), made("head", WORSE), "--json")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["exit_code"]) == (1, 1)
    assert answer["counts"] == {"regression": 3, "improvement": 0, "undecided": 0, "no worse": 0, "equal": 3}
    for cell in answer["cells"]:
        assert (cell["verdict"] == "regression") == (cell["model"] == "two")
        if cell["model"] == "two":
            headline = cell["headline"]
            assert headline["context_size"] == 4
            assert headline["low"] < 0.05 < headline["high"]
            assert headline["p_worse"] <= 0.05
            assert 0.01 < cell["smallest_detectable"] < 0.05
            assert [row["context_size"] for row in cell["sizes"]] == [2, 4, 8]


def test_the_ratio_is_that_of_the_means_over_the_very_prompts(made: Callable[..., Path]) -> None:
    folders = made("base"), made("head", WORSE)
    comparison = compare(open_losses(folders[0]), open_losses(folders[1]), Settings())
    judged = next(judged for judged in comparison.cells if judged.found.cell.model == "two")
    before, after = (
        np.concatenate([run._losses("two", 0, 0, block, 256) for block in (0, 1)]).astype(np.float64)
        for run in (BASE, WORSE)
    )
    expected = np.log((after.mean(axis=0) + 1e-6) / (before.mean(axis=0) + 1e-6))
    assert judged.found.change.value == pytest.approx(expected, rel=1e-9)
    assert judged.found.base_risk == pytest.approx(before.mean(axis=0), rel=1e-12)


def test_an_improvement_is_told_and_never_fails(made: Callable[..., Path]) -> None:
    done = invoke(made("base", WORSE), made("head"))
    assert done.exit_code == 0
    assert "PASS: no regression among 6 cells" in done.stdout
    assert "Improvements" in done.stdout


@pytest.mark.parametrize(("margin", "code"), [("1%", 1), ("0.01", 1), ("0", 1), ("8%", 0), ("0.08", 0), (" 500% ", 0)])
def test_a_margin_is_what_it_says(made: Callable[..., Path], margin: str, code: int) -> None:
    assert invoke(made("base"), made("head", WORSE), "--margin", margin).exit_code == code


@pytest.mark.parametrize("margin", ["nan", "-1%", "-0.1", "1000%", "inf", "much", "", "%", "5", "1e400"])
def test_a_margin_that_is_none_is_refused(made: Callable[..., Path], margin: str) -> None:
    done = invoke(made("base"), made("head"), f"--margin={margin}")
    assert done.exit_code == 2
    assert "--margin" in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        "--alpha 0",
        "--alpha nan",
        "--alpha 0.9",
        "--sizes some",
        "--format html",
        "--metric squared_eror",
        "--out nowhere/file",
        "--update --sequential s.json",
        "--sequential s.json --sizes all",
    ],
)
def test_bad_options_are_refused(made: Callable[..., Path], options: str) -> None:
    done = invoke(made("base"), made("head"), *options.split())
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")


def test_a_rise_at_another_context_size_is_found_unless_only_the_headline_is_judged(made: Callable[..., Path]) -> None:
    folders = made("base"), made("head", dataclasses.replace(BASE, worse_at={8: 1.2}, jitter=0.001))
    done = invoke(*folders, "--json")
    assert done.exit_code == 1
    assert {tuple(cell["significantly_worse_at"]) for cell in json.loads(done.stdout)["cells"]} == {(8,)}
    assert invoke(*folders, "--sizes", "headline").exit_code == 0


def test_constant_losses_are_decided_by_their_value(made: Callable[..., Path]) -> None:
    base = made("base", dataclasses.replace(BASE, constant=True))
    for name, factor, code in (("much", 1.05, 1), ("little", 1.005, 0), ("less", 0.9, 0), ("zero", 0.0, 0)):
        head = dataclasses.replace(BASE, constant=True, factors={"one": 1.0, "two": factor})
        assert invoke(base, made(name, head)).exit_code == code, name


def test_rounding_is_no_change(made: Callable[..., Path]) -> None:
    """A noiseless model's risk of 1e-28 may triple: beside a signal of 1 it is still nothing."""
    base = dataclasses.replace(BASE, factors={"one": 1e-28, "two": 1.0})
    head = dataclasses.replace(BASE, factors={"one": 3e-28, "two": 1.0})
    done = invoke(made("base", base), made("head", head), "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["counts"]["no worse"] == 3


def test_where_no_mean_exists_medians_are_compared(made: Callable[..., Path]) -> None:
    folders = [made(name, dataclasses.replace(run, tail=0.5)) for name, run in (("base", BASE), ("head", WORSE))]
    answer = json.loads(invoke(*folders, "--json").stdout)
    changed = [cell for cell in answer["cells"] if cell["model"] == "two"]
    assert {cell["headline"]["statistic"] for cell in changed} == {"median"}
    before = np.concatenate([BASE._losses("two", 0, 0, block, 256) for block in (0, 1)])
    assert changed[0]["headline"]["base"] == pytest.approx(np.median(before[:, 1]))


def test_seeds_are_pooled_and_one_draw_a_seed_has_no_interval(made: Callable[..., Path]) -> None:
    runs = [dataclasses.replace(run, seeds=(0, 1, 2), places=BASE.places[:1]) for run in (BASE, WORSE)]
    answer = json.loads(invoke(made("base", runs[0]), made("head", runs[1]), "--json").stdout)
    assert [(cell["n_prompts"], cell["seeds"]) for cell in answer["cells"]] == [(1536, [0, 1, 2])] * 2
    shared = [dataclasses.replace(run, cluster_size=None) for run in (BASE, WORSE)]
    done = invoke(made("shared", shared[0]), made("worse", shared[1]), "--json")
    assert done.exit_code == 0
    changed = [cell for cell in json.loads(done.stdout)["cells"] if cell["model"] == "two"]
    assert {(cell["verdict"], cell["headline"]["low"]) for cell in changed} == {("undecided", None)}


def test_pooled_seeds_keep_whole_clusters() -> None:
    assert (cluster_rows([100], 64), whole_clusters(100, 64, 1)) == (64, 100)
    assert (cluster_rows([100, 100], 64), whole_clusters(100, 64, 2)) == (64, 64)
    assert (cluster_rows([100, 100], None), whole_clusters(100, None, 2)) == (100, 100)
    assert (cluster_rows([100, 100], 256), whole_clusters(100, 256, 2)) == (100, 100)


OTHER = {
    "suite": (dataclasses.replace(BASE, suite="other"), "'other' version 1"),
    "version": (dataclasses.replace(BASE, version=2), "version 2"),
    "seed": (dataclasses.replace(BASE, seeds=(1,)), "seed 1"),
    "count": (dataclasses.replace(BASE, n_prompts=256), "256"),
    "draw": (dataclasses.replace(BASE, salt="x"), "digests"),
    "severity": (dataclasses.replace(BASE, places=(("base", None), ("covariate/scale", 5.0))), "scale 5"),
    "sizes": (dataclasses.replace(BASE, sizes=(3, 5), headline=3), "no context size"),
}


@pytest.mark.parametrize("what", OTHER)
def test_other_questions_are_not_compared(made: Callable[..., Path], what: str) -> None:
    run, said = OTHER[what]
    for done in (invoke(made("base"), made("head", run)), invoke(made("a", run), made("b"))):
        assert (done.exit_code, done.stdout) == (3, "")
        assert said in done.stderr
        assert "run both" in done.stderr.lower()


def edit_manifest(folder: Path, **fields: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_an_older_schema_is_read_and_a_newer_one_is_not(made: Callable[..., Path]) -> None:
    base, head = made("base"), made("head")
    manifest = json.loads((base / "manifest.json").read_text())
    older = {name: value for name, value in manifest.items() if name not in ("noise_variance", "factors", "kind")}
    (base / "manifest.json").write_text(json.dumps({**older, "schema_version": 1}))
    assert invoke(base, head).exit_code == 0
    edit_manifest(head, schema_version=99)
    done = invoke(base, head)
    assert done.exit_code == 3
    assert "upgrade icl-bench" in done.stderr


def test_another_device_or_code_is_noted_only(made: Callable[..., Path]) -> None:
    base, head = made("base"), made("head")
    edit_manifest(head, device="cuda", code_digest="d", versions={"icl-bench": "0.2.0"})
    done = invoke(base, head)
    assert done.exit_code == 0
    for note in ("device: cpu in BASE, cuda in HEAD", "icl-bench 0.1.0 -> 0.2.0", "own code differs"):
        assert f"note: {note}" in done.stdout or note in done.stdout


LACKING = {
    "model": dataclasses.replace(BASE, absent=frozenset({"two"})),
    "scenario": dataclasses.replace(BASE, places=BASE.places[:1]),
    "severity": dataclasses.replace(BASE, places=BASE.places[:2]),
    "error": dataclasses.replace(BASE, status={("two", "base"): "error"}),
    "timeout": dataclasses.replace(BASE, status={("two", "base"): "timeout"}),
    "nan": dataclasses.replace(BASE, status={("two", "base"): "nan"}),
    "skipped": dataclasses.replace(BASE, status={("two", "base"): "skipped"}),
    "interrupted": dataclasses.replace(BASE, n_prompts=256, state="running"),
}


@pytest.mark.parametrize("what", LACKING)
def test_cells_that_head_lacks_are_listed_and_fail_unless_allowed(made: Callable[..., Path], what: str) -> None:
    base, head = made("base"), made("head", LACKING[what])
    done = invoke(base, head)
    assert done.exit_code == 4
    assert done.stdout.startswith("INCOMPLETE: ")
    assert "Not compared" in done.stdout
    allowed = invoke(base, head, "--allow-missing")
    assert allowed.exit_code == (4 if what == "interrupted" else 0)  # no set of it is whole: nothing is left
    assert "Not compared" in allowed.stdout


def test_a_regression_among_what_is_there_beats_the_missing_cells(made: Callable[..., Path]) -> None:
    lacking = dataclasses.replace(WORSE, status={("one", "base"): "error"})
    done = invoke(made("base"), made("head", lacking))
    assert done.exit_code == 1
    assert "1 cell is missing or failed" in done.stdout.splitlines()[0]


def test_new_and_agreed_absences_are_no_failure(made: Callable[..., Path]) -> None:
    three = dict.fromkeys(("one", "two", "three"), 1.0)
    both_narrow = Synthetic(three, absent=frozenset({"three"}))
    assert invoke(made("a", both_narrow), made("b", both_narrow)).exit_code == 0
    done = invoke(made("base"), made("head", Synthetic(three)))
    assert done.exit_code == 0
    assert "new in HEAD" in done.stdout
    skipping = dataclasses.replace(BASE, status={("two", "base"): "skipped"})
    done = invoke(made("c", skipping), made("d", skipping))
    assert done.exit_code == 0
    assert "skipped by both" in done.stdout


def test_nothing_compared_is_never_a_pass(made: Callable[..., Path]) -> None:
    all_failed = dataclasses.replace(
        BASE, status={(model, place[0]): "error" for model in BASE.factors for place in BASE.places}
    )
    for number, (one, other) in enumerate(((all_failed, all_failed), (BASE, all_failed), (all_failed, BASE))):
        done = invoke(made(f"a{number}", one), made(f"b{number}", other), "--allow-missing")
        assert done.exit_code == 4
        assert "nothing was compared" in done.stdout
    skipped = dataclasses.replace(all_failed, status=dict.fromkeys(all_failed.status, "skipped"))
    assert invoke(made("c", skipped), made("d", skipped)).exit_code == 4


def test_losses_that_are_not_finite_make_a_failed_cell(made: Callable[..., Path]) -> None:
    for name, factor in (("nan", np.nan), ("inf", np.inf)):
        head = made(name, Synthetic({"one": 1.0, "two": factor}))
        base = tmp if (tmp := head.parent / "base").exists() else made("base")
        done = invoke(base, head)
        assert done.exit_code == 4
        assert "not finite" in done.stdout


def test_damaged_and_foreign_tables_are_refused(made: Callable[..., Path], tmp_path: Path) -> None:
    base = made("base")
    (tmp_path / "nothing").mkdir()
    done = invoke(base, tmp_path / "nothing")
    assert done.exit_code == 2
    assert "manifest.json" in done.stderr
    for name, damage in (
        ("cut", lambda path: path.write_bytes(path.read_bytes()[:-40])),
        ("foreign", lambda path: pq.write_table(pa.table({"a": [1]}), path)),
        ("text", lambda path: path.write_text("PAR1")),
    ):
        head = made(name)
        damage(sorted((head / "losses").glob("*.parquet"))[1])
        done = invoke(base, head)
        assert (done.exit_code, done.stdout) == (2, ""), name
        assert "parquet" in done.stderr
    head = made("newer")
    unit = sorted((head / "losses").glob("*.parquet"))[0]
    table = pq.read_table(unit)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, SCHEMA_KEY: b"99"}), unit)
    assert invoke(base, head).exit_code == 3
    shutil.rmtree(head / "losses")
    assert invoke(base, head).exit_code == 2


def test_a_run_against_itself_is_refused(made: Callable[..., Path]) -> None:
    base = made("base")
    link = base.parent / "link"
    link.symlink_to(base)
    for other in (base, link):
        done = invoke(base, other)
        assert done.exit_code == 2
        assert "same folder" in done.stderr


def test_update_writes_a_baseline_that_compares_as_equal(made: Callable[..., Path], tmp_path: Path) -> None:
    run, baseline = made("run"), tmp_path / "results" / "baseline"
    done = invoke(baseline, run, "--update")
    assert done.exit_code == 0
    digest = baseline_digest(open_losses(baseline))
    assert len(digest) == 8
    assert f"mention {digest} in CHANGELOG under Scores" in done.stderr
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


HOSTILE = '</testcase>&"\x1b[31m:,%\n::error::x|<b>'


def hostile(folder: Path) -> tuple[Path, Path]:
    return tuple(  # type: ignore[return-value]
        Synthetic({HOSTILE: factor, "one": 1.0}).write(folder / name) for name, factor in (("base", 1.0), ("head", 1.1))
    )


def test_junit_is_well_formed_whatever_the_names(tmp_path: Path) -> None:
    done = invoke(*hostile(tmp_path), "--format", "junit")
    assert done.exit_code == 1
    root = ElementTree.fromstring(done.stdout)
    assert {suite.get("name") for suite in root} == {"base", "covariate/scale"}
    assert (root.get("tests"), root.get("failures")) == ("6", "3")
    assert len(root.findall(".//failure")) == 3
    lacking = Synthetic({HOSTILE: 1.0, "one": 1.0}, status={("one", "base"): "error"}).write(tmp_path / "lacking")
    root = ElementTree.fromstring(invoke(tmp_path / "base", lacking, "--format", "junit").stdout)
    assert root.find(".//error") is not None


def test_github_gets_escaped_commands_and_a_summary(tmp_path: Path) -> None:
    base, head = hostile(tmp_path)
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    done = invoke(base, head, "--format", "github", GITHUB_STEP_SUMMARY=str(summary))
    assert done.exit_code == 1
    *commands, verdict = done.stdout.splitlines()
    assert len(commands) == 3
    assert verdict.startswith("REGRESSION")
    for command in commands:
        level, _, rest = command.removeprefix("::").partition(" title=")
        title, _, message = rest.partition("::")
        assert level == "error"
        assert title.startswith("Regression%3A ")
        assert "," not in title
        assert "%" in message
    text = summary.read_text()
    assert text.startswith("before\n## REGRESSION")
    assert "\\<b\\>" in text
    assert "\x1b" not in text


def test_no_more_than_ten_annotations_of_a_kind(tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(14)]
    base = Synthetic(dict.fromkeys(names, 1.0), places=(("base", None),)).write(tmp_path / "base")
    head = Synthetic(dict.fromkeys(names, 1.2), places=(("base", None),)).write(tmp_path / "head")
    commands = invoke(base, head, "--format", "github").stdout.splitlines()[:-1]
    assert len(commands) == 10
    assert commands[-1].startswith("::error title=and 5 more::")


@given(st.text(max_size=400), st.integers(0, 600))
def test_a_summary_is_cut_to_its_room(text: str, room: int) -> None:
    text = text.encode("utf-8", "ignore").decode()
    kept = shortened_to(text, room)
    assert len(kept.encode()) <= room
    assert kept == text or len(text.encode()) > room


@pytest.mark.parametrize("width", [80, 140])
def test_the_terminal_fits_and_says_the_verdict_first(made: Callable[..., Path], width: int) -> None:
    long = "a-rather-long-name-of-a-model-that-somebody-thought-of"
    base, head = Synthetic({long: 1.0, "two": 1.0}), Synthetic({long: 1.3, "two": 0.9})
    done = invoke(made("base", base), made("head", head), "--verbose", COLUMNS=str(width))
    lines = done.stdout.splitlines()
    assert lines[0].startswith("REGRESSION: 3 of 6 cells")
    assert max(map(cell_len, lines)) <= width
    assert {"Regressions", "Improvements", "Every cell"} <= set(lines)


def test_markdown_has_the_same_tables_and_out_writes_it(made: Callable[..., Path], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    done = invoke(made("base"), made("head", WORSE), "--format", "markdown", "--out", page)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "REGRESSION" in done.stderr
    text = page.read_text()
    assert text.startswith("## REGRESSION: 3 of 6 cells got worse by more than 1%")
    assert "| model | scenario | change |" in text


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(exponent=st.integers(-20, 20), factor=st.sampled_from([0.9, 1.004, 1.05]))
def test_verdicts_do_not_depend_on_the_unit_of_the_losses(
    tmp_path_factory: pytest.TempPathFactory, exponent: int, factor: float
) -> None:
    verdicts = []
    for scale in (1.0, 2.0**exponent):
        folder = tmp_path_factory.mktemp("scaled")
        base = dataclasses.replace(BASE, scale=scale, n_prompts=256)
        head = dataclasses.replace(base, factors={"one": 1.0, "two": factor})
        comparison = compare(open_losses(base.write(folder / "b")), open_losses(head.write(folder / "h")), Settings())
        verdicts.append([(judged.verdict, judged.detectable or 0.0) for judged in comparison.cells])
    for (one, smallest), (other, scaled) in zip(*verdicts, strict=True):
        assert one == other
        assert smallest == pytest.approx(scaled, rel=1e-4)


def test_without_a_stored_signal_the_models_give_the_scale(made: Callable[..., Path]) -> None:
    models = {"exact": 1e-28, "diverging": 1e28, "plain": 1.0}
    runs = [
        Synthetic({name: value * factor for name, value in models.items()}, with_signal=False) for factor in (1.0, 1.05)
    ]
    folders = made("base", runs[0]), made("head", runs[1])
    verdicts = {cell["model"]: cell["verdict"] for cell in json.loads(invoke(*folders, "--json").stdout)["cells"]}
    assert verdicts == {"exact": "no worse", "diverging": "regression", "plain": "regression"}


def test_the_loss_that_is_compared_is_chosen_and_named(made: Callable[..., Path]) -> None:
    label = dataclasses.replace(BASE, column="label_error")
    done = invoke(made("a", label), made("b", label))
    assert done.exit_code == 0
    assert "label_error of 512 paired prompts" in done.stdout
    done = invoke(made("c"), made("d", label))
    assert done.exit_code == 3
    assert "share no loss" in done.stderr


def test_a_point_is_read_without_the_others(made: Callable[..., Path]) -> None:
    base, head = open_losses(made("base")), open_losses(made("head", WORSE))
    pairing = pair(base, head, "squared_error", headline_only=True)
    assert [point.cell("one").name for point in pairing.points] == [
        "one, base",
        "one, covariate/scale 2",
        "one, covariate/scale 3",
    ]
    found = list(point_changes(base, head, pairing.points[1], "squared_error"))
    assert [change.cell.model for change in found] == ["one", "two"]
    assert [change.equal for change in found] == [True, False]  # type: ignore[union-attr]


@pytest.mark.parametrize(("n_sizes", "headline"), [(1, 0), (2, 1), (41, 40)])
def test_half_of_a_cell_is_its_headline(n_sizes: int, headline: int) -> None:
    weights = cell_weights(n_sizes, headline)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[headline] == (1.0 if n_sizes == 1 else 0.5)


def test_changes_read_as_people_write_them() -> None:
    shares = (0.051, -0.0003, 0.0, 1e-7, 23.0, -0.5, float("nan"))
    texts = [percent(np.log1p(share)) for share in shares]
    assert texts == ["+5.1%", "-0.03%", "0%", "~0%", "x24.0", "-50%", "?"]
    assert size_list([2, 4, 6, 12], [0, 2, 4, 6, 8, 12]) == "2-6, 12"
    assert size_list([1, 2], [1, 2]) == "all 2"
    assert size_list([4], [4]) == "4"


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
SUITE = """
[suite]
name = "steady"
version = {version}
[prompts]
n_dims = 3
context_sizes = [4, 6]
n_prompts = 256
seeds = [{seed}]
[[models]]
use = "./own.py:Steady"
name = "steady"
[[models]]
use = "zero"
[[scenarios]]
use = "base"
[[scenarios]]
use = "covariate/scale"
severities = [2.0]
[metrics]
use = ["squared_error", "normalised_error"]
"""


def test_real_runs_from_end_to_end(tmp_path: Path, icl_bench: Command) -> None:
    """The risk of a model that keeps the share 1 - s of the noiseless answer is s^2: worsened by 5% and 1% exactly."""

    def run(name: str, rise: float = 0.0, version: int = 1, seed: int = 0, **options: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "own.py").write_text(STEADY.replace("{share}", repr(0.5 * (1.0 + rise) ** 0.5)))
        (folder / "suite.toml").write_text(SUITE.format(version=version, seed=seed))
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
        done = icl_bench("compare", base, head)
        assert done.returncode == code, (name, done.stdout, done.stderr)
        assert said in done.stdout + done.stderr
    changed = json.loads(icl_bench("compare", base, heads["worse by 5%"][0], "--json").stdout)["cells"]
    assert {round(cell["headline"]["change"], 4) for cell in changed if cell["model"] == "steady"} == {0.05}
    baseline = tmp_path / "baseline"
    assert icl_bench("compare", baseline, base, "--update").returncode == 0
    assert pq.read_table(baseline / "scores.parquet").num_rows > 0
    assert icl_bench("compare", baseline, heads["same"][0]).returncode == 0
    assert icl_bench("compare", baseline, heads["worse by 5%"][0], "--format", "github").returncode == 1


def test_a_reader_that_goes_away_does_not_turn_red_into_green(tmp_path: Path) -> None:
    names = [f"model-{number}" for number in range(60)]
    base = Synthetic(dict.fromkeys(names, 1.0), n_prompts=64).write(tmp_path / "base")
    head = Synthetic(dict.fromkeys(names, 1.5), n_prompts=64).write(tmp_path / "head")
    reading, writing = os.pipe()
    os.close(reading)
    code = "from icl_bench.cli.main import main; main()"
    command = [sys.executable, "-c", code, "compare", str(base), str(head), "--json"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    os.close(writing)
    assert done.returncode == 1, done.stderr
