"""`icl-bench gate`: run, compare and report in one go; what is refused, and that it is refused before the run."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import icl_bench.run.suite_run
from icl_bench.tables.manifest import read_manifest
from tests.command import PATIENCE, Done, command, started
from tests.small_suites import SMALL, fragile_model, slow_model, suite_text
from tests.stored_runs import FRAGILE, scale

OTHER = SMALL.replace('name = "small"', 'name = "other"')


@pytest.fixture(autouse=True)
def in_folder_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def base(small_suite: Path, small_run: Path) -> Path:
    """A baseline of the small suite."""
    assert command("compare", "base", small_run, "--update").exit_code == 0
    return Path("base")


def gate(*arguments: object) -> Done:
    """Gate in this process, not on GitHub."""
    return command("gate", *arguments, "--executor", "serial", GITHUB_STEP_SUMMARY="")


def refused(*arguments: object, code: int = 2) -> str:
    """Return the one line that refuses a gate, of which no run was begun."""
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*") if not path.name.endswith(".lock")}
    done = gate(*arguments)
    assert done.exit_code == code, done.output
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert done.stdout == ""
    assert before == {path: path.stat().st_mtime_ns for path in Path().rglob("*") if not path.name.endswith(".lock")}
    return line


def test_an_equal_run_passes_and_leaves_its_report_beside_the_tables(small_suite: Path, base: Path) -> None:
    done = gate(small_suite, "--baseline", base)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("PASS: every loss of 6 cells is equal to the bit")
    assert "2 blocks of prompts" in done.stderr
    out = Path("results/gate-small")
    assert json.loads((out / "comparison.json").read_text())["exit_code"] == 0
    assert ElementTree.parse(out / "comparison.xml").getroot().get("tests") == "6"
    assert "PASS" in (out / "comparison.md").read_text()
    assert "covariate/scale" in (out / "report.html").read_text()


def test_json_is_json_and_nothing_else(small_suite: Path, base: Path) -> None:
    shown = json.loads(gate(small_suite, "--baseline", base, "--json").stdout)
    assert (shown["exit_code"], shown["counts"]["equal"]) == (0, 6)


def test_a_run_may_be_the_baseline(small_suite: Path, small_run: Path) -> None:
    assert gate(small_suite, "--baseline", small_run).exit_code == 0


def test_a_kept_run_of_an_older_state_is_replaced(small_suite: Path, base: Path, small_run: Path) -> None:
    out = Path(shutil.copytree(small_run, "kept"))
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 1, "run_digest": "older"}))
    (out / "report.html").write_text("older")
    (out / "notes.txt").write_text("mine")
    done = gate(small_suite, "--baseline", base, "--out", out)
    assert done.exit_code == 0, done.stderr
    assert "this one replaces it" in done.stderr
    assert read_manifest(out).run_digest == manifest["run_digest"]
    assert (out / "report.html").read_text() != "older"
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "foreign"])
def test_a_baseline_that_is_none_is_told_with_the_commands_that_make_it(
    small_suite: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = Path("given")
    if kind == "file":
        given.touch()
    elif kind != "missing":
        given.mkdir()
    if kind == "foreign":
        (given / "diary.txt").touch()
    with monkeypatch.context() as patched:
        patched.setattr(icl_bench.run.suite_run, "run_suite", None)  # nothing is run
        told = refused(small_suite, "--baseline", given, "--models", "o*")
    commands = [shlex.split(part) for part in told.split(" by: ")[1].split(" && ")]
    for _, *arguments in commands:
        quick = ["--executor", "serial"] if arguments[0] == "run" else []
        assert command(*arguments, *quick).exit_code == 0, arguments
    made = commands[1][2]
    assert gate(small_suite, "--baseline", made, "--models", "o*").exit_code == 0


def test_a_damaged_baseline_is_told_before_the_run(small_suite: Path, base: Path) -> None:
    table = base / "baseline.parquet"
    sound = table.read_bytes()
    table.write_bytes(sound[:400])
    assert "is damaged" in refused(small_suite, "--baseline", base)
    flipped = bytearray(sound)
    flipped[len(sound) // 3] ^= 255
    table.write_bytes(flipped)
    assert "is damaged" in refused(small_suite, "--baseline", base)


def test_a_baseline_of_other_questions_is_told_before_the_run(small_suite: Path, base: Path) -> None:
    Path("other.toml").write_text(OTHER)
    assert "different questions" in refused("other.toml", "--baseline", base, code=3)
    assert "128 asked" in refused(small_suite, "--baseline", base, "--prompts", 128, code=3)
    assert "seed 0" in refused(small_suite, "--baseline", base, "--seeds", 7, code=3)
    assert "keeps one loss" in refused(small_suite, "--baseline", base, "--metric", "normalised_error", code=3)
    assert "holds squared_error" in refused(small_suite, "--baseline", base, "--metric", "none")
    manifest = json.loads((base / "manifest.json").read_text())
    (base / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 99}))
    assert "upgrade icl-bench" in refused(small_suite, "--baseline", base, code=3)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--margin", "lots"),
        ("--alpha", "3"),
        ("--sizes", "two"),
        ("--seeds", "x"),
        ("--models", "olz"),
        ("--scenarios", "none"),
        ("--format", "pdf"),
        ("--sequential", "none/state.json"),
        ("--device", "abacus"),
    ],
)
def test_a_bad_option_is_told_in_one_line(small_suite: Path, base: Path, option: str, value: str) -> None:
    refused(small_suite, "--baseline", base, option, value)


def test_nothing_is_replaced_but_a_run_of_the_suite(small_suite: Path, base: Path, small_run: Path) -> None:
    given = ("--baseline", base, "--out")
    assert "is the baseline" in refused(small_suite, *given, base)
    assert "in one another" in refused(small_suite, *given, base / "inside")
    assert "in one another" in refused(small_suite, *given, ".")
    Path("file").touch()
    assert "is a file" in refused(small_suite, *given, "file")
    for name in ("diary.txt", "manifest.json", "losses/mine.csv"):
        path = Path(name.partition(".")[0].replace("/", "-"), name)
        path.parent.mkdir(parents=True)
        path.write_text('{"name": "mine"}')
        assert "no run of icl-bench" in refused(small_suite, *given, path.parts[0])
    shutil.copytree(base, "second")
    assert "holds a baseline" in refused(small_suite, *given, "second")
    Path("other.toml").write_text(OTHER)
    shutil.copytree(small_run, "kept")
    assert command("run", "other.toml", "--executor", "serial", "--out", "of-other").exit_code == 0
    assert "run of the suite 'other'" in refused(small_suite, *given, "of-other")


def test_a_failing_model_is_incomplete_unless_allowed_or_left_out(tmp_path: Path) -> None:
    suite = tmp_path / "frail.toml"
    suite.write_text(suite_text("frail", models=["ols", FRAGILE], scenarios=["base", scale(3.0)]))
    (tmp_path / "own.py").write_text(fragile_model(reach=1e9))
    assert command("run", suite, "--executor", "serial", "--out", "run").exit_code == 0
    (tmp_path / "own.py").write_text(fragile_model(reach=5.0))
    done = gate(suite, "--baseline", "run")
    assert done.exit_code == 4
    assert done.stdout.startswith("INCOMPLETE")
    assert "1 failed" in done.stderr
    assert gate(suite, "--baseline", "run", "--allow-missing").exit_code == 0
    alone = gate(suite, "--baseline", "run", "--models", "ols", "--scenarios", "base")
    assert alone.exit_code == 0
    assert "1 cell" in alone.stdout


def test_a_model_that_the_suite_has_lost_is_missing_however_the_gate_is_narrowed(small_suite: Path, base: Path) -> None:
    small_suite.write_text(SMALL.replace('[[models]]\nuse = "ols"\n', ""))
    assert gate(small_suite, "--baseline", base).exit_code == 4
    assert gate(small_suite, "--baseline", base, "--models", "*").exit_code == 4
    assert gate(small_suite, "--baseline", base, "--models", "zero").exit_code == 0


def test_a_report_that_cannot_be_written_turns_a_pass_into_incomplete(
    small_suite: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("icl_bench.run.folder.COMPARISON", "no such folder/comparison")
    done = gate(small_suite, "--baseline", base)
    assert done.exit_code == 4
    assert done.stdout.startswith("PASS")
    assert "cannot be written" in done.stderr


def test_a_night_is_added_once_and_refused_before_it_is_run_again(small_suite: Path) -> None:
    assert command("run", small_suite, "--executor", "serial", "--seeds", 11, "--out", "tonight").exit_code == 0
    night = (small_suite, "--baseline", "tonight", "--seeds", 11, "--sequential", "state.json")
    done = gate(*night)
    assert done.exit_code == 0, done.stderr
    assert "1 night" in done.stdout
    assert "looked at" in refused(*night, code=3)
    told = refused(small_suite, "--baseline", "none", "--seeds", 12, "--sequential", "state.json")
    assert told.endswith("--seeds 12 --out none")
    assert "headline" in refused(*night, "--sizes", "all")


def test_interrupted_ends_with_130_and_begins_afresh(tmp_path: Path) -> None:
    suite = tmp_path / "slow.toml"
    suite.write_text(suite_text("slow", models=["ols", {"use": "./own.py:Slow", "name": "slow"}]))
    (tmp_path / "own.py").write_text(slow_model(0.0))
    assert command("run", suite, "--executor", "serial", "--out", "run").exit_code == 0
    (tmp_path / "own.py").write_text(slow_model(PATIENCE))
    running = started("gate", suite, "--baseline", "run", "--executor", "serial", folder=tmp_path)
    while not (tmp_path / "results/gate-slow/manifest.json").exists() and running.poll() is None:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130, said
    assert "nothing was compared" in said
    (tmp_path / "own.py").write_text(slow_model(0.0))
    assert gate(suite, "--baseline", "run").exit_code == 0
