"""A suite is resolved once a process: nothing is built or digested twice, however many blocks there are."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from icl_bench import Run, run_suite
from icl_bench.assembly import identity, resolved
from icl_bench.assembly.identity import digests_of
from icl_bench.assembly.resolved import Resolved, kept
from icl_bench.errors import PluginError, SuiteError
from icl_bench.executors.serial import Serial
from icl_bench.plugins import loading
from icl_bench.run.jobs import Job
from icl_bench.run.validation import validate_suite
from icl_bench.suites.plan import make_plan
from icl_bench.suites.suite_file import load_suite
from icl_bench.tables.units import read_header

SUITE = """
[suite]
name = "counted"
version = 1

[prompts]
n_dims = 3
context_sizes = [0, 1, 3, 6]
noise_std = 0.5
n_prompts = 600
seeds = [0, 1]

[training]
n_context = 4
scenarios = [{ use = "task/scale", severity = 2.0 }]

[[models]]
use = "bayes"

[[models]]
use = "ridge"
alpha = "evidence"

[[models]]
use = "bayes_train"
name = "own"
training = { noise_std = 1.0 }

[[models]]
use = "./own.py:Own"

[[scenarios]]
use = "base"

[[scenarios]]
use = "covariate/scale"
severities = [0.5, 2.0]

[[scenarios]]
name = "joint/both"
product = [
    { use = "covariate/spectrum", severities = [1.0, 2.0] },
    { use = "query/mean", severities = [0.0, 1.0] },
]

[metrics]
use = ["squared_error", "normalised_error", "agreement:ols"]
"""
OWN = """
from icl_bench import Prediction


class Own:
    \"\"\"Answers with a number.\"\"\"

    def predict(self, prompts):
        return Prediction(prompts.query_x[..., 0] * {factor})
"""


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text(OWN.format(factor=0.0))
    (tmp_path / "suite.toml").write_text(SUITE)
    return tmp_path / "suite.toml"


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each plugin is built, and each model's digest taken, from now on."""
    found: Counter[str] = Counter()
    build, taken = loading.build, identity.model_digest

    def counted(kind: str, use: str, *rest: Any) -> Any:
        found[f"{kind} {use}"] += 1
        return build(kind, use, *rest)

    def digest(suite: Any, spec: Any) -> str:
        found[f"digest of {spec.label}"] += 1
        return taken(suite, spec)

    monkeypatch.setattr(loading, "build", counted)
    monkeypatch.setattr(identity, "model_digest", digest)
    monkeypatch.setattr(resolved, "model_digest", digest)
    return found


BUILT_ONCE = {
    "function_classes linear": 1,
    "scenarios base": 1,
    "scenarios covariate/scale": 1,
    "scenarios covariate/spectrum": 1,
    "scenarios query/mean": 1,
    "scenarios task/scale": 2,  # of the suite's training law and of the model's own
    "metrics squared_error": 1,
    "metrics normalised_error": 1,
    "metrics zero_error": 1,
    "metrics excess_risk": 1,  # what skill needs is stored beside the risk
    "metrics bayes_signal": 1,
    "metrics agreement": 1,
}
MODELS_ONCE = {"models bayes": 1, "models ridge": 1, "models bayes_train": 1, "models ./own.py:Own": 1}


def test_a_run_builds_each_plugin_once_whatever_its_blocks(suite_file: Path, count: Counter[str]) -> None:
    run = run_suite(suite_file, suite_file.parent / "run")
    assert run.complete
    assert len(list((run.path / "losses").iterdir())) == 7 * 2 * 3
    digests = {f"digest of {label}": 2 for label in run.manifest.models}  # for the manifest, and where it is built
    assert count == BUILT_ONCE | MODELS_ONCE | {"models ols": 1, "executors serial": 1} | digests


def test_validation_builds_each_plugin_once(suite_file: Path, count: Counter[str]) -> None:
    assert not [finding for finding in validate_suite(suite_file, None) if finding.problem]
    assert {name: times for name, times in count.items() if "digest" not in name} == {
        **BUILT_ONCE,
        **MODELS_ONCE,
        "models ols": 1,
    }


def test_a_worker_makes_what_its_job_needs_and_no_more(suite_file: Path, count: Counter[str]) -> None:
    suite = load_suite(suite_file)
    worker = Resolved(suite, digests_of(suite))
    count.clear()
    prompt_set = next(place for place in make_plan(suite).prompt_sets if place.place.scenario == "covariate/scale")
    law = worker.laws.cell(prompt_set).law
    worker.bound("bayes", law)
    assert count == {
        "function_classes linear": 1,
        "scenarios covariate/scale": 1,
        "scenarios task/scale": 1,
        "models bayes": 1,
        "digest of bayes": 1,
    }


def test_seeds_share_a_cell_and_scenarios_their_unshifted_law(suite_file: Path) -> None:
    suite = load_suite(suite_file)
    laws = Resolved(suite).laws
    cells = {(each.place, each.seed): laws.cell(each) for each in make_plan(suite).prompt_sets}
    for (place, seed), cell in cells.items():
        assert cell is cells[place, 0], seed
    assert laws.base(suite.prompts) is laws.base(suite.scenarios[2].prompts)
    assert laws.identities() == {"covariate/scale": 1.0}
    flags = {(place.scenario, place.severities): cell.identity for (place, _), cell in cells.items()}
    assert flags["joint/both", (1.0, 0.0)] is None
    assert flags["covariate/scale", (2.0,)] is False


def test_a_model_that_cannot_be_built_is_tried_once_and_a_row_of_every_cell(
    suite_file: Path, count: Counter[str]
) -> None:
    own = suite_file.parent / "own.py"
    own.write_text(own.read_text() + "\n    def __init__(self):\n        raise OSError('no room for it')\n")
    run = run_suite(suite_file, suite_file.parent / "run")
    rows = run.scores[run.scores["model"] == "Own"]
    assert set(rows["status"]) == {"error"}
    assert set(rows["message"]) == {"./own.py:Own cannot be built: OSError: no room for it"}
    assert len(rows.drop_duplicates(["scenario", "severity_label", "seed"])) == 7 * 2
    assert set(run.scores[run.scores["model"] != "Own"]["status"]) == {"ok"}
    assert count["models ./own.py:Own"] == 1


def test_everything_that_is_refused_is_told_at_once(suite_file: Path) -> None:
    text = suite_file.read_text().replace('alpha = "evidence"', "beta = 1").replace("[0.5, 2.0]", "[-1.0]")
    suite_file.write_text(text.replace('"agreement:ols"', '"agreement"'))
    suite = load_suite(suite_file)
    problems = Resolved(suite).problems(make_plan(suite))
    assert [problem.split(": ")[1] for problem in problems] == [
        "model 'ridge'",
        "scenario 'covariate/scale' at severity -1.0",
        "metric 'agreement'",
    ]
    assert all(problem.startswith(f"{suite_file}:") for problem in problems)
    with pytest.raises(SuiteError) as caught:
        run_suite(suite_file, suite_file.parent / "run")
    assert list(caught.value.problems) == problems


# A model's file that is edited.


def stored(run: Run) -> set[str]:
    """The digests that units hold of the model in a file."""
    headers = [read_header(path) for path in (run.path / "losses").glob("*.parquet")]
    return {outcome.model_digest for header in headers for outcome in header.outcomes if outcome.model == "Own"}


def squared_error(run: Run) -> float:
    rows = run.scores[(run.scores["model"] == "Own") & (run.scores["metric"] == "squared_error")]
    return float(rows["mean"].mean())


def test_a_unit_records_the_model_that_answered(suite_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file edited after the run has begun: before its model is built, and again afterwards."""
    in_order = Serial.map
    edits: list[float] = []

    def edited(self: Serial, work: Callable[[Any], Any], jobs: Any, timeout: float | None) -> Any:
        def edit_and_work(job: Any) -> Any:
            if isinstance(job, Job) and len(edits) < 2:
                edits.append(1.0 + len(edits))
                (suite_file.parent / "own.py").write_text(OWN.format(factor=edits[-1]))
            return work(job)

        return in_order(self, edit_and_work, jobs, timeout)

    monkeypatch.setattr(Serial, "map", edited)
    run = run_suite(suite_file, suite_file.parent / "run")
    (recorded,) = stored(run)
    assert edits == [1.0, 2.0]
    assert recorded != run.manifest.models["Own"]
    (suite_file.parent / "own.py").write_text(OWN.format(factor=1.0))
    assert recorded == digests_of(load_suite(suite_file)).models["Own"]
    monkeypatch.undo()
    again = run_suite(suite_file, suite_file.parent / "again")
    assert squared_error(again) == squared_error(run)


def test_an_edited_model_is_asked_anew_and_no_other(suite_file: Path) -> None:
    out = suite_file.parent / "run"
    first = run_suite(suite_file, out)
    before = squared_error(first)
    (suite_file.parent / "own.py").write_text(OWN.format(factor=3.0))
    second = run_suite(suite_file, out)
    assert second.manifest.run_digest == first.manifest.run_digest
    changed = {label for label, digest in second.manifest.models.items() if digest != first.manifest.models[label]}
    assert changed == {"Own"}
    assert len(stored(second)) == 2
    scores = second.scores
    assert set(scores[scores["model"] == "Own"]["status"]) == {"ok"}
    assert squared_error(second) > before
    asked = [path for path in (out / "losses").iterdir() if path.stem.endswith("_1")]
    assert len(asked) == 7 * 2 * 3


def test_a_job_is_small_and_finds_what_its_process_has_made(suite_file: Path) -> None:
    suite = load_suite(suite_file)
    digests = digests_of(suite)
    made = kept(suite, digests)
    assert len(pickle.dumps((suite, digests))) < 10_000
    assert kept(*pickle.loads(pickle.dumps((suite, digests)))) is made
    (suite_file.parent / "own.py").write_text(OWN.format(factor=4.0))
    assert kept(suite, digests_of(suite)) is not made


def test_what_cannot_be_built_says_so_each_time(suite_file: Path) -> None:
    own = suite_file.parent / "own.py"
    own.write_text(own.read_text().replace("def predict", "def answer"))
    made = Resolved(load_suite(suite_file))
    for _ in range(2):
        with pytest.raises(PluginError, match="has no method predict"):
            made.model("Own")
