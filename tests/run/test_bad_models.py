"""Models that misbehave cost their own rows and no other's; folders that cannot be used are refused, nothing lost."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from icl_bench import read_run
from tests.command import MAIN, command, process
from tests.small_suites import suite_text

MODELS = """
import os, sys, time
import torch
from icl_bench import Prediction

class Good:
    def predict(self, prompts):
        return Prediction(prompts.query_x.sum(-1))

class WrongShape(Good):
    def predict(self, prompts):
        return Prediction(torch.zeros(prompts.n_prompts))

class NotANumber(Good):
    def predict(self, prompts):
        return Prediction(prompts.query_x.sum(-1) / 0.0 * 0.0)

class Raises(Good):
    def predict(self, prompts):
        raise RuntimeError("the weights are\\nmissing")

class RaisesWhenBuilt(Good):
    def __init__(self):
        raise OSError("no such checkpoint")

class Exits(Good):
    def predict(self, prompts):
        sys.exit(3)

class Hangs(Good):
    def predict(self, prompts):
        try:
            while True:
                time.sleep(0.01)
        except Exception:
            return Prediction(prompts.query_x.sum(-1))

class IsOutOfTime(Hangs):
    def predict(self, prompts):
        import signal
        signal.setitimer(signal.ITIMER_REAL, 0.1)  # the alarm of its time limit, brought forward
        return super().predict(prompts)

class HangsInNativeCode(Good):
    def predict(self, prompts):
        import signal
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])  # what a native call that never returns is like
        time.sleep(600)

class KillsItsProcess(Good):
    def predict(self, prompts):
        os.kill(os.getpid(), 9)

class ChangesItsInput(Good):
    def predict(self, prompts):
        prompts.context_x.zero_()
        return Prediction(prompts.query_x.sum(-1))

class LeaksBetweenQueries(Good):
    def predict(self, prompts):
        return Prediction(prompts.query_x.sum(-1) + prompts.query_x.mean((1, 2))[:, None])

class ReadsLaterExamples(Good):
    def predict(self, prompts):
        return Prediction(prompts.query_x.sum(-1) + prompts.context_y.sum(1, keepdim=True))

class AnswersList(Good):
    def predict(self, prompts):
        return [[0.0]]

class NoPredict:
    pass

class BoundAlone:
    def bind(self, training):
        return Good()
"""

EXPECTED = {
    "WrongShape": ("error", "expected shape (prompt, query) = (256, 3), got (256,)"),
    "NotANumber": ("nan", "answers are not finite in 256 of 256 prompts"),
    "Raises": ("error", "RuntimeError: the weights are missing"),
    "RaisesWhenBuilt": ("error", "OSError: no such checkpoint"),
    "Exits": ("error", "SystemExit: 3"),
    "IsOutOfTime": ("timeout", "no answer within 600 s"),
    "ChangesItsInput": ("error", "changes its input"),
    "LeaksBetweenQueries": ("error", "depends on other queries"),
    "ReadsLaterExamples": ("error", "depends on examples after its first 0"),
    "AnswersList": ("error", "expected an icl_bench.Prediction, got list"),
    "NoPredict": ("error", "no method predict"),
}


def suite_with(tmp_path: Path, *models: str) -> Path:
    (tmp_path / "models.py").write_text(MODELS)
    path = tmp_path / "suite.toml"
    path.write_text(
        suite_text(
            "bad",
            prompts={"noise_std": None},
            models=[f"./models.py:{name}" for name in models],
            metrics=["squared_error"],
        )
    )
    return path


def rows(folder: Path) -> dict[str, list[dict[str, object]]]:
    """Return model -> its rows of the risk, or of its whole cell."""
    found = pq.read_table(folder / "scores.parquet").to_pylist()
    table = [row for row in found if row["metric"] in (None, "squared_error")]
    return {model: [row for row in table if row["model"] == model] for model in {row["model"] for row in table}}


def test_each_failure_is_a_row_and_the_others_are_not_touched(tmp_path: Path) -> None:
    suite = suite_with(tmp_path, "Good", *EXPECTED)
    result = command("run", suite, "--out", tmp_path / "out", "--executor", "serial")
    assert result.exit_code == 4, result.output
    found = rows(tmp_path / "out")
    assert [row["status"] for row in found["Good"]] == ["ok"] * 3
    for model, (status, message) in EXPECTED.items():
        (row,) = found[model]
        assert (row["status"], row["mean"], row["context_size"]) == (status, None, None), row
        assert message in str(row["message"]), row
        assert "\n" not in str(row["message"])


def test_a_model_that_has_bind_alone_is_asked_through_what_that_returns(tmp_path: Path) -> None:
    suite = suite_with(tmp_path, "Good", "BoundAlone")
    for arguments in (["run", "--executor", "serial", "--out", tmp_path / "out"], ["validate"]):
        result = command(*arguments, suite)
        assert result.exit_code == 0, result.output
    found = rows(tmp_path / "out")
    assert [row["mean"] for row in found["BoundAlone"]] == [row["mean"] for row in found["Good"]]
    shown = command("show", str(tmp_path / "models.py:BoundAlone"))
    assert "BoundAlone (model)" in shown.output


def test_a_model_that_hangs_is_ended_at_its_time_limit(tmp_path: Path) -> None:
    suite = suite_with(tmp_path, "Hangs")
    result = command("run", suite, "--out", tmp_path / "out", "--executor", "serial", "--time-limit", "0.5")
    assert result.exit_code == 4, result.output
    (row,) = rows(tmp_path / "out")["Hangs"]
    assert (row["status"], row["mean"]) == ("timeout", None)
    assert "no answer within 0.5 s" in str(row["message"])


def test_a_worker_that_dies_or_never_returns_is_replaced(tmp_path: Path) -> None:
    """A model has six seconds, more than any load takes away; a block of three models has nine."""
    suite = suite_with(tmp_path, "Good", "KillsItsProcess", "HangsInNativeCode")
    options = ["--time-limit", "6", "--workers", "2", "--out", "out"]
    code = f"import icl_bench.run.jobs as e; e.GRACE_SECONDS = -15.0; {MAIN}"
    done = process("run", suite, *options, code=code, folder=tmp_path)
    assert done.returncode == 4, done.stderr
    found = rows(tmp_path / "out")
    assert [row["status"] for row in found["Good"]] == ["ok"] * 3
    assert found["KillsItsProcess"][0]["status"] == "error"
    assert "died" in str(found["KillsItsProcess"][0]["message"])
    assert found["HangsInNativeCode"][0]["status"] == "timeout"


def test_validate_names_what_each_model_breaks(tmp_path: Path) -> None:
    result = command("validate", suite_with(tmp_path, "Good", "LeaksBetweenQueries"), "--json")
    assert result.exit_code == 2
    found = json.loads(result.stdout)
    assert [problem["what"] for problem in found["problems"]] == ["model LeaksBetweenQueries"]
    assert "depends on other queries" in found["problems"][0]["problem"]


@pytest.mark.parametrize(
    ("code", "said"),
    [("class Other: pass", "has no 'Good'"), ("1/0", "ZeroDivisionError"), ("def (", "SyntaxError")],
)
def test_a_model_file_that_cannot_be_used_is_refused(code: str, said: str, tmp_path: Path) -> None:
    suite = suite_with(tmp_path, "Good")
    (tmp_path / "models.py").write_text(code)
    result = command("run", suite, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_repaired_model_is_asked_again_and_nothing_else_is(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("class M:\n    def predict(self, prompts):\n        raise ValueError('not yet')\n")
    suite = suite_with(tmp_path, "Good")
    suite.write_text(suite.read_text().replace("[[scenarios]]", '[[models]]\nuse = "./one.py:M"\n[[scenarios]]'))
    arguments = ["run", str(suite), "--out", str(tmp_path / "out"), "--executor", "serial"]
    assert command(*arguments).exit_code == 4
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out" / "losses").glob("*.parquet")}
    (tmp_path / "one.py").write_text(
        "from icl_bench import Prediction\nclass M:\n"
        "    def predict(self, prompts):\n        return Prediction(prompts.query_x[:, :, 0])\n"
    )
    assert command(*arguments).exit_code == 0
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out" / "losses").glob("*.parquet")}
    assert before.items() <= after.items()
    assert len(after) == len(before) + 1
    assert {row["status"] for found in rows(tmp_path / "out").values() for row in found} == {"ok"}


def refused(*arguments: object) -> str:
    result = command(*arguments)
    assert result.exit_code == 2, (result.exit_code, result.output)
    assert "Traceback" not in result.output
    return result.stderr


def test_a_folder_of_another_suite_is_refused_and_kept(small_suite: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert command("run", small_suite, "--out", out, "--executor", "serial").exit_code == 0
    kept = (out / "scores.parquet").read_bytes()
    other = tmp_path / "other.toml"
    other.write_text(small_suite.read_text().replace('"small"', '"other"'))
    assert "holds results of the suite 'small' version 1" in refused("run", other, "--out", out)
    other.write_text(small_suite.read_text().replace("noise_std = 0.5", "noise_std = 0.6"))
    assert "with other prompts, scenarios" in refused("run", other, "--out", out)
    assert "other prompts" in refused("run", small_suite, "--out", out, "--prompts", "512")
    assert (out / "scores.parquet").read_bytes() == kept


def test_an_edited_scenario_file_asks_another_question(small_suite: Path, tmp_path: Path) -> None:
    """The suite's text is the same, the prompts are not: the folder is refused, nothing is mixed."""
    code = (
        "from icl_bench.laws.covariates.scaled import Scaled\n\n\nclass Shift:\n    severities = (0.0, 1.0)\n\n"
        "    def identity(self, law):\n        return 0.0\n\n    def shift(self, law, severity):\n"
        "        return law.add('covariates', Scaled(2.0)) if severity else law\n"
    )
    (tmp_path / "shift.py").write_text(code)
    own = '"./shift.py:Shift"\nname = "covariate/own"'
    small_suite.write_text(small_suite.read_text().replace('"covariate/scale"', own).replace("[2.0]", "[1.0]"))
    arguments = ["run", str(small_suite), "--out", str(tmp_path / "out"), "--executor", "serial"]
    assert command(*arguments).exit_code == 0
    assert command(*arguments).exit_code == 0
    (tmp_path / "shift.py").write_text(code.replace("2.0", "3.0"))
    assert "(or their files)" in refused(*arguments)
    assert command(*arguments, "--fresh").exit_code == 0


def test_a_folder_that_is_no_run_is_left_alone(small_suite: Path, tmp_path: Path) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter.tex").write_text("years of work")
    for options in ((), ("--fresh",)):
        assert "holds other files (chapter.tex)" in refused("run", small_suite, "--out", out, *options)
    assert (out / "chapter.tex").read_text() == "years of work"


def test_an_output_that_is_a_file_or_under_one_is_refused(small_suite: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused("run", small_suite, "--out", tmp_path / "file")
    assert "cannot be written" in refused("run", small_suite, "--out", tmp_path / "file" / "below")
    assert "cannot be written" in refused("run", small_suite, "--out", "/proc/icl-bench")


def test_a_full_disk_keeps_what_was_finished(small_suite: Path, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """A file-size limit stands for the full disk: the system refuses the write with an OSError."""
    small_suite.write_text(small_suite.read_text().replace("n_prompts = 256", "n_prompts = 1024"))
    out = tmp_path / "out"
    arguments = ["run", str(small_suite), "--out", str(out), "--executor", "serial"]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    from icl_bench.run import jobs as execution

    whole, written = execution.write_unit, []

    def full_after_three(path: Path, unit: object) -> None:
        if len(written) == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))
        try:
            whole(path, unit)  # type: ignore[arg-type]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        written.append(path)

    monkeypatch.setattr(execution, "write_unit", full_after_three)
    result = command(*arguments)
    assert result.exit_code == 4, result.output
    assert "free space" in result.stderr
    assert len(list((out / "losses").glob("*.parquet"))) == 3
    assert not list((out / "losses").glob(".*"))
    monkeypatch.setattr(execution, "write_unit", whole)
    assert command(*arguments).exit_code == 0
    assert read_run(out).complete


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--models", "nobody"], "no model of this suite matches 'nobody'"),
        (["--models", "olss"], "did you mean 'ols'?"),
        (["--scenarios", "covariate/nothing*"], "no scenario of this suite matches"),
        (["--device", "quantum"], "device: 'quantum' cannot be used"),
        (["--device", "cuda:99"], "cannot be used"),
        (["--executor", "cloud"], "no executor is called 'cloud'"),
        (["--prompts", "0"], "--prompts"),
        (["--workers", "-1"], "--workers"),
        (["--nonsense"], "No such option"),
    ],
)
def test_bad_options(options: list[str], said: str, small_suite: Path, tmp_path: Path) -> None:
    assert said in refused("run", small_suite, "--out", tmp_path / "out", *options)
