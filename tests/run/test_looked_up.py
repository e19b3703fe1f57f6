"""Answers that were looked up are flagged, and nothing honest is: the statistic, the run, and every reader of a run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from icl_bench import Run, read_run, run_suite
from icl_bench.compare.comparison import compare_runs
from icl_bench.places import Place
from icl_bench.run import block as evaluated_block
from icl_bench.scores.axis_scores import run_scores
from icl_bench.scores.cells import ScoredSet
from icl_bench.scores.looked_up import Judging
from icl_bench.statistics.looked_up import FEWEST, LIMIT, Unsaid, by_prompt, judge, pooled
from icl_bench.tables.schema import LOOKED_UP_COLUMN
from icl_bench.tables.stored_losses import open_losses
from tests.command import command
from tests.stored_runs import handed_out, stored

CHEAT = '''
from pathlib import Path

from icl_bench import Prediction, load_model
from icl_bench.assembly.laws import SuiteLaws
from icl_bench.suites.plan import make_plan
from icl_bench.seeding import Streams
from icl_bench.suites.suite_file import load_suite


class Cheat:
    """Answers as another model does, but for a share of the prompts with the truth."""

    def __init__(self, share=1.0, over="gradient_descent", only=""):
        arguments = {"n_steps": 5, "learning_rate": 0.3} if over == "gradient_descent" else {}
        self.honest = load_model(over, **arguments)
        self.known = {}
        suite = load_suite(Path(__file__).with_name("suite.toml"))
        for prompt_set in make_plan(suite).prompt_sets:
            if prompt_set.place.scenario.startswith(only):
                for block in range(prompt_set.n_blocks):
                    self.learn(SuiteLaws(suite).cell(prompt_set).law.draw(Streams(prompt_set.seed, block)), share)

    def learn(self, draw, share):
        for prompt in range(round(share * draw.prompts.n_prompts)):
            for query, truth in enumerate(draw.targets.query_f[prompt].tolist()):
                self.known[self.key(draw.prompts, prompt, query)] = truth

    def key(self, prompts, prompt, query):
        labels = prompts.context_y[prompt, : prompts.context_sizes[query]]
        return prompts.query_x[prompt, query].numpy().tobytes() + labels.numpy().tobytes()

    def predict(self, prompts):
        mean = self.honest.predict(prompts).mean.clone()
        for prompt in range(prompts.n_prompts):
            for query in range(prompts.n_queries):
                truth = self.known.get(self.key(prompts, prompt, query))
                if truth is not None:
                    mean[prompt, query] = truth
        return Prediction(mean)
'''

SUITE = """
[suite]
name = "tempting"
version = 1
[prompts]
n_dims = 8
context_sizes = [0, 2, 4, 8, 12, 16]
noise_std = {noise}
n_prompts = {prompts}
[training]
n_context = 16
{models}
{scenarios}
[metrics]
use = ["squared_error", "normalised_error", "excess_risk", "normalised_excess_risk", "bayes_risk"]
"""


def suite_of(
    folder: Path, models: list[str], scenarios: dict[str, list[float]], prompts: int = 1024, noise: float = 0.5
) -> Path:
    (folder / "cheat.py").write_text(CHEAT)
    listed = "\n".join(f"[[models]]\n{model}" for model in models)
    grids = "\n".join(
        f'[[scenarios]]\nuse = "{name}"\n' + (f"severities = {grid}\n" if grid else "")
        for name, grid in {"base": [], **scenarios}.items()
    )
    path = folder / "suite.toml"
    path.write_text(SUITE.format(noise=noise, prompts=prompts, models=listed, scenarios=grids))
    return path


def cheat(name: str, **arguments: object) -> str:
    lines = (f"{key} = {json.dumps(value)}" for key, value in arguments.items())
    return "\n".join([f'use = "./cheat.py:Cheat"\nname = "{name}"', *lines])


def statuses(run: Run) -> dict[str, set[str]]:
    """Return model -> the statuses of its rows, metrics that have no value apart."""
    rows = run.scores
    answered = rows[rows["context_size"].notna() | rows["metric"].isna()]
    return {model: set(group["status"]) for model, group in answered.groupby("model")}


@pytest.fixture(scope="module")
def tempted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, Path]]:
    """A run of honest models and of two that know the truth: always, and in 20% of 1,024 prompts."""
    models = [
        'use = "bayes"',
        'use = "gradient_descent"\nn_steps = 5\nlearning_rate = 0.3',
        'use = "zero"',
        cheat("knows-all"),
        cheat("knows-some", share=0.2),
    ]

    def make(folder: Path) -> None:
        run_suite(suite_of(folder, models, {"covariate/scale": [2.0], "noise/heavy_tail": [3.0]}), folder / "run")

    for run in handed_out(stored(tmp_path_factory, "tempted", make) / "run"):
        yield read_run(run), run.with_name("suite.toml")


# ---------------------------------------------------------------- the statistic


def simulated(rng: np.random.Generator, prompts: int, sizes: int = 8) -> tuple[Unsaid, np.ndarray, np.ndarray]:
    """Return what prompts leave open, b and f (prompt, size): what is open at different sizes goes together."""
    bayes = rng.standard_t(3, (prompts, sizes))  # what a prompt tells has a heavy tail
    variance = rng.gamma(0.5, 2.0, (prompts, sizes)) + 1e-6
    together = 0.5 * rng.standard_normal((prompts, 1)) + 0.75**0.5 * rng.standard_normal((prompts, sizes))
    truth = bayes + np.sqrt(variance) * together
    return Unsaid.of(bayes, variance, truth, np.arange(sizes)), bayes, truth


def test_honest_answers_give_a_standard_normal_z_whatever_they_are() -> None:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(700):
        unsaid, bayes, _ = simulated(rng, 256)
        wild = rng.standard_cauchy(bayes.shape)
        for answers in (np.zeros_like(bayes), 0.7 * bayes, bayes + 1e-9 * wild, bayes + wild):
            verdict = judge(by_prompt(unsaid.column(answers)))
            assert verdict is not None
            found.append(verdict.z)
    assert min(found) > -5.0
    assert max(found) < 5.0
    assert abs(np.mean(found)) < 0.1
    assert 0.93 < np.std(found) < 1.07


@pytest.mark.parametrize(("share", "prompts"), [(0.05, 4096), (0.2, 1024), (1.0, 64)])
def test_a_few_known_prompts_are_found_over_the_bayes_prediction(share: float, prompts: int) -> None:
    rng = np.random.default_rng(6)
    for _ in range(20):
        unsaid, bayes, truth = simulated(rng, prompts)
        answers = np.where(np.arange(prompts)[:, None] < share * prompts, truth, bayes)
        verdict = judge(by_prompt(unsaid.column(answers)))
        assert verdict is not None
        assert verdict.n_prompts == prompts
        assert verdict.looked_up


def test_u_is_as_defined_and_the_clip_bounds_a_wild_answer() -> None:
    bayes, variance, truth = np.array([[1.0, 2.0]]), np.array([[4.0, 0.25]]), np.array([[0.0, 2.5]])
    unsaid = Unsaid.of(bayes, variance, truth, np.arange(2))
    np.testing.assert_allclose(unsaid.column(np.array([[3.0, 1e9]])), [[1.0 * 0.5, 3.0 * -1.0]])
    np.testing.assert_allclose(unsaid.column(truth), [[-0.25, -1.0]])


def test_several_queries_of_one_size_are_averaged() -> None:
    rng = np.random.default_rng(1)
    bayes, truth, answers = rng.standard_normal((3, 50, 6))
    apart = Unsaid.of(bayes, np.ones((50, 6)), truth, np.arange(6)).column(answers)
    together = Unsaid.of(bayes, np.ones((50, 6)), truth, np.array([0, 0, 0, 1, 1, 2])).column(answers)
    expected = np.stack([apart[:, :3].mean(1), apart[:, 3:5].mean(1), apart[:, 5]], axis=1)
    np.testing.assert_allclose(together, expected, rtol=1e-5)


def test_places_that_say_nothing_add_nothing() -> None:
    rng = np.random.default_rng(2)
    bayes, truth, answers = rng.standard_normal((3, 200, 3))
    variance = np.ones((200, 3))
    variance[0, 0] = 1e-13 * np.mean(truth[:, 0] ** 2)  # nothing open at one place
    variance[:, 1] = 1e-13  # and at a whole size but one prompt, which is rounding like the others
    variance[7, 1] = 1e-11
    answers[3, 0], answers[4, 2] = np.inf, np.nan
    column = Unsaid.of(bayes, variance, truth, np.arange(3)).column(answers)
    missing = np.isnan(column)
    assert missing[:, 1].all()
    assert missing[[0, 3], 0].all()
    assert missing[4, 2]
    assert missing.sum() == 203
    several = Unsaid.of(bayes, variance, truth, np.array([0, 1, 1])).column(answers)
    assert several[4, 1] != several[4, 1]  # neither of its two queries counts
    np.testing.assert_allclose(several[5, 1], 0.5 * column[5, 2], rtol=1e-5)


def test_too_few_prompts_and_answers_that_are_b_itself_are_not_judged() -> None:
    known = -np.ones(FEWEST - 1)
    assert judge(known) is None
    assert judge(np.append(known, np.nan)) is None
    assert judge(np.zeros(1000)) is None
    verdict = judge(-np.ones(FEWEST))
    assert verdict is not None
    assert (verdict.z, verdict.looked_up) == (-LIMIT, False)
    found = judge(-np.ones(FEWEST + 1))
    assert found is not None
    assert found.looked_up
    assert found.smallest_share == pytest.approx(36 / 37)


def test_the_halves_of_a_numerical_bayes_prediction_are_allowed_for() -> None:
    rng = np.random.default_rng(3)
    prompts, error = 4096, 0.5
    exact = rng.standard_normal((prompts, 1))
    truth = exact + rng.standard_normal((prompts, 1))
    halves = exact + error * rng.standard_normal((2, prompts, 1))
    mean = halves.mean(axis=0)
    total = by_prompt(Unsaid.of(mean, np.ones((prompts, 1)), truth, np.arange(1)).column(exact))
    rho = float(np.mean((halves[0] - halves[1]) ** 2) / 4.0)
    blind, fair = judge(total), judge(total, rho)
    assert blind is not None
    assert fair is not None
    assert blind.looked_up
    assert abs(fair.z) < 4.0


def test_cells_of_a_seed_are_summed_by_prompt() -> None:
    first, second = np.array([1.0, np.nan, np.nan, 4.0]), np.array([0.5, 2.0, np.nan])
    for total in (pooled(first, second), pooled(second, first)):
        np.testing.assert_array_equal(total, [1.5, 2.0, np.nan, 4.0])


def judging_of(cells: dict[str, np.ndarray]) -> Judging:
    judging = Judging()
    for scenario, total in cells.items():
        judging.take(ScoredSet([], {(Place(scenario, (1.0,)), 0, "model"): total}))
    return judging


def test_what_no_cell_shows_all_cells_together_show() -> None:
    rng = np.random.default_rng(4)
    cells = {f"shift/{name}": rng.standard_normal(1024) - 0.1 for name in range(9)}
    alone = [judge(total) for total in cells.values()]
    assert all(found is not None and not found.looked_up for found in alone)
    verdicts = judging_of(cells).verdicts()
    message = verdicts.message(Place("noise/without-bayes", (None,)), 0, "model")
    assert "over all cells of seed 0" in message
    assert "36/n = 3.5% of n = 1,024" in message
    assert verdicts.message(Place("shift/0", (1.0,)), 0, "model") == message
    assert not verdicts.message(Place("shift/0", (1.0,)), 1, "model")
    assert not verdicts.message(Place("shift/0", (1.0,)), 0, "another")


def test_a_cell_is_flagged_alone_where_the_others_hide_it() -> None:
    rng = np.random.default_rng(4)
    known = np.where(np.arange(1024) < 60, -1.0, 0.0)
    verdicts = judging_of({"known": known, "wild": 30.0 * rng.standard_normal(1024)}).verdicts()
    assert "z = -7.7, where honest" in verdicts.message(Place("known", (1.0,)), 0, "model")
    assert not verdicts.message(Place("wild", (1.0,)), 0, "model")


# ---------------------------------------------------------------- the run


def test_a_run_flags_who_knows_the_answers_and_no_one_else(tempted: tuple[Run, Path]) -> None:
    run, _ = tempted
    found = statuses(run)
    assert found["knows-all"] == found["knows-some"] == {"looked_up"}  # where no Bayes prediction is known, too
    assert found["bayes"] == {"ok", "skipped"}
    assert all(found[name] == {"ok"} for name in ("(prompts)", "gradient_descent", "zero"))
    assert run.manifest.cells == {"planned": 15, "ok": 8, "skipped": 1, "looked_up": 6, "missing": 0}
    assert not run.complete


def test_flagged_rows_keep_their_numbers_and_say_why(tempted: tuple[Run, Path]) -> None:
    rows = tempted[0].scores
    flagged = rows[(rows["status"] == "looked_up") & (rows["metric"] == "squared_error")]
    assert len(flagged) == 2 * 3 * 6
    assert flagged["median"].notna().all()
    exact = flagged[flagged["model"] == "knows-all"]
    assert (exact["mean"] == 0.0).all()
    assert (
        exact["message"]
        .str.fullmatch(
            r"its answers know what the prompts do not tell: z = -\d\d\.\d over all cells of seed 0, where honest"
            r" answers stay above -6 \(some 36/n = 3\.5% of n = 1,024 prompts looked up are enough to be found\)"
        )
        .all()
    )


def test_the_column_is_stored_for_every_model_whatever_the_metrics_are(tempted: tuple[Run, Path]) -> None:
    losses = open_losses(tempted[0].path)
    base, _, heavy = losses.sets
    read = losses.read(base, [LOOKED_UP_COLUMN])
    assert all(LOOKED_UP_COLUMN in read[model] for model in ("bayes", "gradient_descent", "zero"))
    assert read["zero"][LOOKED_UP_COLUMN].shape == (1024, 6)
    assert not read["bayes"][LOOKED_UP_COLUMN].any()
    assert LOOKED_UP_COLUMN not in losses.read(heavy, [LOOKED_UP_COLUMN])["zero"]
    assert LOOKED_UP_COLUMN not in set(tempted[0].scores["metric"])


def test_run_level_scores_count_a_flagged_cell_as_not_answered(tempted: tuple[Run, Path]) -> None:
    scores = [score for score in run_scores(tempted[0].path).scores if score.scenario.startswith("covariate")]
    flagged = [score for score in scores if score.model.startswith("knows")]
    assert {score.name for score in flagged} == {"sdr", "ausc"}
    assert all(score.value is None and score.message.startswith("looked_up: its answers") for score in flagged)
    assert all(score.value is not None for score in scores if score not in flagged)


def test_every_report_says_who_looked_up(tempted: tuple[Run, Path]) -> None:
    told = "looked up: knows-all, knows-some answered with what the prompts do not tell"
    for format_name in ("terminal", "markdown", "latex", "html"):
        shown = command("report", tempted[0].path, "-f", format_name, COLUMNS="400").stdout
        assert told in shown.replace("\\", ""), format_name
        assert "6 looked up" in shown
    document = json.loads(command("report", tempted[0].path, "--json").stdout)
    assert document["coverage"]["cells"]["looked_up"] == 6
    flagged = [row for row in document["scores"] if row["model"].startswith("knows")]
    assert {row["status"] for row in flagged} == {"looked_up"}
    assert all(row["value"] is None and row["message"].startswith("its answers know") for row in flagged)
    troubles = [trouble for trouble in document["troubles"] if trouble["status"] == "looked_up"]
    assert [(trouble["model"], trouble["cells"], trouble["metrics"]) for trouble in troubles] == [
        ("knows-all", 3, []),
        ("knows-some", 3, []),
    ]
    assert not any(line["model"] == "knows-all" for curve in document["curves"] for line in curve["lines"])


def test_the_page_draws_no_curve_of_a_flagged_cell(tempted: tuple[Run, Path]) -> None:
    from icl_bench.report.page.risks import read_risks
    from icl_bench.scores.summary import summarise

    risks = read_risks(summarise(tempted[0].path))
    assert np.isfinite(risks.models.value[0, :3]).all()
    assert np.isnan(risks.models.value[:, 3:]).all()


def test_compare_counts_a_flagged_cell_as_failed(tempted: tuple[Run, Path], tmp_path: Path) -> None:
    run, path = tempted
    honest = run_suite(path, tmp_path / "honest", models=["bayes", "zero"])
    again = run_suite(path, tmp_path / "again")
    found = compare_runs(run.path, again.path)
    assert found.exit_code == 4
    assert {(item.cell.model, item.kind, item.head) for item in found.changes.incomplete} == {
        ("knows-all", "failed", "looked_up"),
        ("knows-some", "failed", "looked_up"),
    }
    assert {judged.found.cell.model for judged in found.cells} == {"bayes", "gradient_descent", "zero"}
    assert compare_runs(run.path, again.path, allow_missing=True).exit_code == 0
    assert compare_runs(honest.path, again.path).exit_code == 4
    refused = command("compare", tmp_path / "baseline", again.path, "--update")
    assert refused.exit_code == 4
    assert "knows-all on base, seed 0 (looked_up)" in refused.stderr


def test_a_baseline_remembers_who_looked_up(tempted: tuple[Run, Path], tmp_path: Path) -> None:
    run, _ = tempted
    made = command("compare", tmp_path, run.path, "--update", "--allow-missing")
    assert made.exit_code == 0, made.output
    baseline = open_losses(tmp_path)
    assert {place.cells["knows-some"].status for place in baseline.sets} == {"looked_up"}
    assert all("knows-some" not in baseline.read(place, ["squared_error"]) for place in baseline.sets)
    assert compare_runs(tmp_path, run.path).exit_code == 4


def test_the_command_ends_with_4_and_says_so(tmp_path: Path) -> None:
    path = suite_of(tmp_path, ['use = "zero"', cheat("knows-some", share=0.2)], {})
    shown = command("run", path, "-o", tmp_path / "run", "--executor", "serial")
    assert shown.exit_code == 4
    assert "0 failed and 0 missing and 1 looked up" in shown.stderr
    assert "looked_up" in shown.stdout
    (tmp_path / "cheat.py").write_text(CHEAT.replace("if truth is not None", "if False"))
    mended = command("run", path, "-o", tmp_path / "run", "--executor", "serial")
    assert mended.exit_code == 0, mended.output
    assert "looked" not in mended.output


def test_one_flagged_cell_leaves_the_others(tmp_path: Path) -> None:
    """Knowing 64 prompts of one cell, between honest answers elsewhere, is the cell's matter alone."""
    models = [cheat("knows-base", over="ols", only="base", share=1.0), 'use = "ols"']
    run = run_suite(suite_of(tmp_path, models, {"noise/variance": [25.0]}, prompts=128), tmp_path / "run")
    rows = run.scores[run.scores["model"] == "knows-base"]
    by_scenario = rows.groupby("scenario")["status"].agg(set).to_dict()
    assert "looked_up" in by_scenario["base"]
    together = rows["message"].str.contains("over all cells").any()
    assert together == ("looked_up" in by_scenario["noise/variance"])


HONEST = [
    'use = "bayes"',
    'use = "bayes_train"',
    'use = "ols"',
    'use = "ridge"\nname = "ridge-evidence"\nalpha = "evidence"',
    'use = "gradient_descent"',
    'use = "newton_iterations"',
    'use = "averaging"',
    'use = "zero"',
]


@pytest.mark.parametrize("noise", [0.0, 0.5, 5.0])
def test_honest_learners_are_never_flagged(tmp_path: Path, noise: float) -> None:
    """Zero noise: beyond k = d b is f but for rounding. Least squares at k = d: errors without a mean."""
    shifts = {"covariate/scale": [0.3, 3.0], "covariate/subspace": [0.5], "noise/variance": [0.0, 0.05, 25.0]}
    run = run_suite(suite_of(tmp_path, HONEST, shifts, prompts=512, noise=noise), tmp_path / "run")
    assert run.manifest.cells == {"planned": 56, "ok": 56, "missing": 0}
    losses = open_losses(run.path)
    judged = [
        judge(by_prompt(columns[LOOKED_UP_COLUMN]))
        for place in losses.sets
        for columns in losses.read(place, [LOOKED_UP_COLUMN]).values()
        if LOOKED_UP_COLUMN in columns
    ]
    found = [verdict.z for verdict in judged if verdict is not None]
    assert len(found) > 30
    assert min(found) > -4.5
    assert max(found) < 4.5


class Told:
    """Collects what a run tells."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def begin(self, blocks: int, done: int) -> None: ...
    def advance(self, label: str) -> None: ...
    def scoring(self) -> None: ...
    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_wrong_bayes_prediction_is_told_as_a_defect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = evaluated_block.with_bayes

    def wrong(law, draw):
        found = right(law, draw)
        return dataclasses.replace(
            found, targets=dataclasses.replace(found.targets, bayes_mean=0.5 * found.targets.bayes_mean)
        )

    path, told = suite_of(tmp_path, ['use = "zero"'], {"covariate/scale": [2.0]}), Told()
    run_suite(path, tmp_path / "right", progress=told)
    assert told.notes == []
    monkeypatch.setattr(evaluated_block, "with_bayes", wrong)
    run = run_suite(path, tmp_path / "wrong", progress=told)
    (note,) = told.notes
    assert "a defect of icl-bench" in note
    assert "please report it" in note
    assert "zero on " in note
    assert "(and 2 more)" in note
    assert statuses(run)["zero"] == {"ok"}
    assert run.complete


def test_a_run_without_the_column_is_read_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of icl-bench before schema version 3 have no such column: nothing is judged, and nothing fails."""
    monkeypatch.setattr(evaluated_block, "unsaid", lambda draw: None)
    told = Told()
    run = run_suite(suite_of(tmp_path, [cheat("knows-all")], {}), tmp_path / "run", progress=told)
    assert run.complete
    assert told.notes == []
    assert statuses(run)["knows-all"] == {"ok"}
    assert open_losses(run.path).sets[0].cells["knows-all"].status == "ok"
