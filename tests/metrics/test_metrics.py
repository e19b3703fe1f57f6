"""Metrics of one's own, from a file or a package: asked with arguments, held to their contract, kept by tables."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from icl_bench import load_model, read_run, run_suite
from icl_bench.assembly.identity import question_digest
from icl_bench.errors import NoClosedForm, SuiteError
from icl_bench.function_classes.linear import Linear
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.sizes import Sizes
from icl_bench.metrics.agreement import Agreement
from icl_bench.metrics.label_error import LabelError
from icl_bench.metrics.pinball import Pinball
from icl_bench.metrics.squared_error import SquaredError
from icl_bench.metrics.zero_error import ZeroError
from icl_bench.plugins import catalogue
from icl_bench.plugins.protocols import Answer, Metric
from icl_bench.prompts import Prediction, TargetBatch
from icl_bench.run.losses import losses_of
from icl_bench.seeding import Streams
from icl_bench.suites.suite_file import load_suite
from icl_bench.tables.manifest import read_manifest
from tests.command import command
from tests.toys import installed

TOY = '''"""my_metric.py: how far off an answer is, in units of the label."""

from dataclasses import dataclass

from icl_bench import PlainMetric


@dataclass(frozen=True)
class AbsoluteError(PlainMetric):
    """|prediction - y|."""

    unit = "label"
    direction = "lower"
    can_be_negative = False

    def losses(self, answer):
        """Return |prediction - y|, (prompt, query)."""
        return (answer.prediction.mean - answer.targets.query_y).abs()
'''
"""A whole metric, as a user writes it."""

BARE = '''
import torch


class Bare:
    """|prediction - y| with every member and no base."""

    unit = "label"
    direction = "lower"
    can_be_negative = False
    role = None
    statistic = "mean"
    needs_model = True

    def losses(self, answer):
        return (answer.prediction.mean - answer.targets.query_y).abs()

    def tail_index(self, answer, context_size):
        return None
'''

BROKEN = {
    "NoLosses": ("del Bare.losses", "it has no member 'losses': expected a method losses(answer)"),
    "NoUnit": ("del Bare.unit", "it has no member 'unit': expected a text"),
    "NoSign": ("del Bare.can_be_negative", "it has no member 'can_be_negative': expected True or False"),
    "NoRole": ("del Bare.role", "it has no member 'role'"),
    "NoStatistic": ("del Bare.statistic", "it has no member 'statistic'"),
    "NoTail": ("del Bare.tail_index", "it has no member 'tail_index'"),
    "Upwards": ("Bare.direction = 'up'", "member 'direction': expected \"lower\" or \"higher\", got 'up'"),
    "UnknownRole": ("Bare.role = 'oracle'", "member 'role': expected"),
    "TensorUnit": ("Bare.unit = torch.ones(3)", "member 'unit': expected a text"),
    "TensorStatistic": ("Bare.statistic = torch.ones(3)", "member 'statistic': expected"),
    "Raising": ("Bare.unit = property(lambda self: 1 / 0)", "member 'unit' cannot be read: ZeroDivisionError"),
    "SignalOfModels": ("Bare.role = 'signal'", "member 'needs_model': expected False"),
    "QuantileNowhere": ("Bare.statistic = 'quantile'", "it has no member 'level'"),
    "QuantileBeyond": ("Bare.statistic, Bare.level = 'quantile', 1.0", "member 'level': expected a number between"),
    "NoGroups": ("Bare.statistic = 'worst group'", "it has no member 'groups'"),
    "FarFromNothing": ("Bare.role = 'distance'", "it has no member 'reference'"),
    "FarFromNobody": ("Bare.role, Bare.reference = 'distance', 'olss'", "did you mean 'ols'?"),
    "RatioOfOne": ("Bare.statistic, Bare.of = 'ratio of means', 'zero_error'", "it has no member 'over'"),
    "RatioOfRatio": (
        "Bare.statistic, Bare.of, Bare.over = 'ratio of means', 'normalised_error', 'zero_error'",
        "member 'of': expected a metric that stores losses",
    ),
    "my_score": ("", "a metric called 'my_score' is better high"),
    "prompt": ("", "the tables have a column 'prompt' already"),
}
"""Declarations: `run` refuses them before anything is drawn. Name -> what breaks `Bare`, what is said."""

DISHONEST = {
    "WrongShape": ("Bare.losses = lambda self, answer: answer.targets.query_y[:, 0]", "expected shape (prompt, query)"),
    "Single": ("Bare.losses = lambda self, answer: answer.targets.query_y.float().abs()", "expected float64"),
    "NotATensor": ("Bare.losses = lambda self, answer: 0.0", "losses: expected a tensor, got float"),
    "Negative": ("Bare.losses = lambda self, answer: -answer.targets.query_y.abs()", "some are negative"),
    "Random": (
        "Bare.losses = lambda self, answer: torch.rand(answer.targets.query_y.shape).double()",
        "a global random generator was used",
    ),
    "Moves": ("Bare.losses = lambda self, answer: answer.prediction.mean.abs_()", "losses changes its input"),
    "Upside": ("Bare.direction = 'higher'", "an answer far from the truth has better losses"),
    "OfPrompts": ("Bare.needs_model = False", "needs_model is False, but the losses change"),
    "KnowsF": (
        "Bare.losses = lambda self, answer: (answer.prediction.mean - answer.targets.query_f).square()",
        "where only labels are known, expected numbers or NoClosedForm",
    ),
    "KnowsStd": (
        "Bare.losses = lambda self, answer: answer.prediction.std.abs()",
        "where the model gives a mean alone, expected numbers or NoClosedForm",
    ),
    "Raises": ("Bare.losses = lambda self, answer: 1 / 0", "ZeroDivisionError"),
    "NoTailAtAll": ("Bare.tail_index = lambda self, answer, size: -1.0", "tail_index: expected a number above 0"),
    "HalfGroups": (
        "Bare.statistic, Bare.groups = 'worst group', lambda self, answer: answer.prompts.context_y[:, 0]",
        "groups: expected a tensor of whole numbers",
    ),
}
"""Behaviour: what `validate` finds on a few prompts."""


def suite_of(folder: Path, metrics: str, source: str = TOY, prompts: str = "", models: str = 'use = "ols"') -> Path:
    """Write my_metric.py and a suite that asks `metrics` of one model."""
    (folder / "my_metric.py").write_text(source)
    path = folder / "suite.toml"
    path.write_text(
        f'[suite]\nname = "toy"\nversion = 1\n[prompts]\nn_dims = 3\ncontext_sizes = [0, 2, 6]\nnoise_std = 0.5\n'
        f'n_prompts = 256\n{prompts}\n[[models]]\n{models}\n[[scenarios]]\nuse = "base"\n{metrics}\n'
    )
    return path


def broken_suite(folder: Path, name: str) -> Path:
    change, _ = {**BROKEN, **DISHONEST}[name]
    return suite_of(folder, f'[[metrics]]\nuse = "./my_metric.py:{name}"', f"{BARE}\n{change}\n{name} = Bare\n")


def said_by(*arguments: str | Path) -> tuple[int, str]:
    """Run the command, a run in this process; return its exit code and all that it printed."""
    done = command(*arguments, *(["--executor", "serial"] if arguments[0] == "run" else []))
    assert "Traceback" not in done.output
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("metrics", "label"),
    [
        ('[metrics]\nuse = ["./my_metric.py:AbsoluteError"]', "AbsoluteError"),
        ('[[metrics]]\nuse = "./my_metric.py:AbsoluteError"\nname = "absolute_error"', "absolute_error"),
    ],
    ids=["short form", "table"],
)
def test_a_metric_of_ones_own_file_is_validated_and_run(tmp_path: Path, metrics: str, label: str) -> None:
    suite = suite_of(tmp_path, metrics)
    assert len(TOY.split("\n\n\n")[1].strip().splitlines()) <= 12  # what there is to write
    checked = command("validate", suite)
    assert checked.exit_code == 0, checked.stderr
    assert f"ok   metric {label}" in checked.stdout
    done = command("run", suite, "--out", tmp_path / "run", "--executor", "serial", "--json")
    assert done.exit_code == 0, done.stderr
    run = read_run(tmp_path / "run")
    losses, scores = run.losses, run.scores
    assert set(scores["metric"]) == {label}
    for size, rows in losses.groupby("context_size"):
        (score,) = scores[scores["context_size"] == size].itertuples()
        assert score.value == score.mean == pytest.approx(rows[label].astype(float).mean(), rel=1e-12)
        assert (score.statistic, score.value_low, score.value_high) == ("mean", score.ci_low, score.ci_high)
    card = run.manifest.metric_cards[label]
    assert (card.use, card.unit, card.direction, card.of) == ("./my_metric.py:AbsoluteError", "label", "lower", label)


def test_a_metric_of_an_installed_package_is_found_validated_and_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a worker process too: it has the paths of this one."""
    monkeypatch.syspath_prepend(str(installed(tmp_path, "metrics", "absolute_error = somebody:AbsoluteError", TOY)))
    catalogue.entries.cache_clear()
    try:
        suite = suite_of(tmp_path, '[metrics]\nuse = ["absolute_error"]')
        code, said = said_by("validate", suite)
        assert code == 0, said
        assert "ok   metric absolute_error" in said
        done = command("run", suite, "--out", tmp_path / "run", "--workers", "1", "--json")
        assert done.exit_code == 0, done.stderr
        assert '"status": "complete"' in done.stdout
    finally:
        catalogue.entries.cache_clear()
    assert read_manifest(tmp_path / "run").metric_cards["absolute_error"].unit == "label"


def test_a_metric_without_any_base_keeps_the_contract(tmp_path: Path) -> None:
    code, said = said_by("validate", suite_of(tmp_path, '[metrics]\nuse = ["./my_metric.py:Bare"]', BARE))
    assert code == 0, said


@pytest.mark.parametrize("name", [*BROKEN, *DISHONEST])
def test_a_broken_metric_is_a_finding_of_validate(tmp_path: Path, name: str) -> None:
    code, said = said_by("validate", broken_suite(tmp_path, name))
    assert code == 2, said
    assert f"FAIL metric {name}: " in said
    assert {**BROKEN, **DISHONEST}[name][1] in said


@pytest.mark.parametrize("name", BROKEN)
def test_a_run_with_a_broken_declaration_is_refused_before_anything_is_drawn(tmp_path: Path, name: str) -> None:
    code, said = said_by("run", broken_suite(tmp_path, name), "--out", tmp_path / "run")
    assert code == 2, said
    assert f"metric {name!r}: " in said
    assert BROKEN[name][1] in said
    assert not (tmp_path / "run").exists()


def test_a_run_of_a_metric_of_ones_own_alone_is_reported(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, '[[metrics]]\nuse = "./my_metric.py:Bare"', BARE)
    assert said_by("run", suite, "--out", tmp_path / "run")[0] == 0
    code, said = said_by("report", tmp_path / "run")
    assert code == 0
    assert "were not run" not in said
    assert "\n0 prompts a cell" not in said
    assert "nothing to report" not in said
    assert "Shown: Bare" in said


RUN_FAILS = ("WrongShape", "Single", "NotATensor", "Raises", "NoTailAtAll", "HalfGroups", "Negative", "Moves")


@pytest.mark.parametrize("name", RUN_FAILS)
def test_what_a_run_cannot_use_becomes_a_row(tmp_path: Path, name: str) -> None:
    code, said = said_by("run", broken_suite(tmp_path, name), "--out", tmp_path / "run")
    assert code == 4, said
    (row,) = read_run(tmp_path / "run").scores.itertuples()
    assert row.status == "error"
    assert row.message.startswith(f"metric {name}: ")
    assert DISHONEST[name][1] in row.message


@pytest.mark.parametrize("source", ["raise RuntimeError('no weights')", "import sys; sys.exit(7)", "Toy = 3"])
def test_a_metric_that_cannot_be_loaded_is_refused_with_its_line(tmp_path: Path, source: str) -> None:
    suite = suite_of(tmp_path, '[[metrics]]\nuse = "./my_metric.py:Toy"', source)
    for verb in ("validate", "run"):
        code, said = said_by(verb, suite)
        assert code == 2, said
        assert "suite.toml:14: metric 'Toy': " in said


REFUSED = {
    "unknown argument": ('[[metrics]]\nuse = "pinball"\nlevl = 0.9', "did you mean 'level'?", 14),
    "argument missing": ('[[metrics]]\nuse = "pinball"', "argument 'level' is missing", 14),
    "argument ill-typed": ('[[metrics]]\nuse = "pinball"\nlevel = "high"', "argument 'level': expected float", 14),
    "argument impossible": ('[[metrics]]\nuse = "pinball"\nlevel = 1.0', "expected a number between 0 and 1", 14),
    "two of a name": (
        '[[metrics]]\nuse = "pinball"\nlevel = 0.9\n[[metrics]]\nuse = "pinball"\nlevel = 0.1',
        "'pinball' is taken by metrics[0]: give one of them another `name`",
        17,
    ),
    "name of another": (
        '[[metrics]]\nuse = "pinball"\nlevel = 0.9\nname = "squared_error"',
        "the name 'squared_error' is that of another metric",
        14,
    ),
    "reference twice": (
        '[[metrics]]\nuse = "agreement:ols"\nreference = "ridge"',
        "the reference is given twice",
        14,
    ),
    "no use": ('[[metrics]]\nname = "x"', "metrics[0].use: missing", 14),
    "unknown": ('[[metrics]]\nuse = "pinbal"\nlevel = 0.9', "did you mean 'pinball'?", 15),
    "no such file": ('[metrics]\nuse = ["./none.py:Toy"]', "no such file", 15),
    "not in the file": ('[metrics]\nuse = ["./my_metric.py:AbsolutError"]', "did you mean 'AbsoluteError'?", 15),
    "same name from two files": (
        '[metrics]\nuse = ["./my_metric.py:AbsoluteError", "././my_metric.py:AbsoluteError"]',
        "two metrics have the same name",
        15,
    ),
    "neither table nor list": ('metrics = "squared_error"', "expected a table", None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_suite_whose_metrics_make_no_sense_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    metrics, said, line = REFUSED[name]
    path = suite_of(tmp_path, "" if line is None else metrics)
    if line is None:
        path.write_text(f"{metrics}\n{path.read_text()}")
    code, output = said_by("run", path, "--out", tmp_path / "run")
    assert code == 2
    assert said in output
    assert f"suite.toml:{line or 1}:" in output
    assert not (tmp_path / "run").exists()


def test_both_forms_of_a_reference_are_one_metric(tmp_path: Path) -> None:
    short = load_suite(suite_of(tmp_path, '[metrics]\nuse = ["agreement:ols"]'))
    long = load_suite(suite_of(tmp_path, '[[metrics]]\nuse = "agreement"\nreference = "ols"'))
    assert [spec.label for spec in short.metrics] == ["agreement:ols"]
    assert short.metrics == long.metrics
    assert short.question_digest == long.question_digest


def test_arguments_and_files_of_metrics_are_part_of_the_question(tmp_path: Path) -> None:
    def digest(metrics: str, source: str = TOY) -> str:
        return question_digest(load_suite(suite_of(tmp_path, metrics, source)))

    mine = '[metrics]\nuse = ["./my_metric.py:AbsoluteError"]'
    assert digest(mine) == digest(mine)
    assert digest(mine) != digest(mine, TOY + "\n")
    assert digest('[[metrics]]\nuse = "pinball"\nlevel = 0.9') != digest('[[metrics]]\nuse = "pinball"\nlevel = 0.8')


SPREAD = """
import torch
from icl_bench import Prediction, load_model


class Spread:
    '''Averages, with a std of 2 and as a Gaussian.'''

    def predict(self, prompts):
        mean = load_model("averaging").predict(prompts).mean
        return Prediction(mean, std=torch.full_like(mean, 2.0, dtype=torch.float32))
"""


def test_two_of_a_metric_store_two_columns_under_their_names(tmp_path: Path) -> None:
    (tmp_path / "spread.py").write_text(SPREAD)
    levels = {"high": 0.9, "low": 0.1}
    metrics = "\n".join(
        f'[[metrics]]\nuse = "pinball"\nname = "{name}"\nlevel = {level}' for name, level in levels.items()
    )
    suite = suite_of(tmp_path, metrics, models='use = "./spread.py:Spread"')
    assert said_by("validate", suite)[0] == 0
    run = run_suite(suite, tmp_path / "run")
    draw = PromptLaw(Linear(3), GaussianNoise(0.25), Sizes((0, 2, 6))).draw(Streams(0, 0))
    losses = run.losses[run.losses["model"] == "Spread"]
    mean = load_model("averaging").predict(draw.prompts).mean
    for name, level in levels.items():
        above = (draw.targets.query_y - mean - 2.0 * norm.ppf(level)).numpy()
        expected = np.where(above > 0, level * above, (level - 1.0) * above)
        np.testing.assert_allclose(losses[name].to_numpy().reshape(256, 3), expected, rtol=1e-5, atol=1e-6)
        assert run.manifest.metric_cards[name].arguments == {"level": level}


def statistic_of(run_scores: pd.DataFrame, label: str, size: int) -> pd.Series:
    return run_scores[(run_scores["metric"] == label) & (run_scores["context_size"] == size)].iloc[0]


STATISTICS = (
    BARE
    + """

class Tail(Bare):
    statistic = "quantile"
    level = 0.8


class Worst(Bare):
    statistic = "worst group"

    def groups(self, answer):
        return (answer.prompts.context_y[:, 0] > 0).long()  # by the sign of the first label


class Share:
    '''Worst over plain: a ratio of columns that the suite labels itself.'''

    unit, direction, can_be_negative, role, needs_model = "1", "lower", False, None, True
    statistic, of, over = "ratio of means", "tail", "plain"
"""
)


@pytest.mark.parametrize("shared", [False, True], ids=["independent prompts", "prompts that share draws"])
def test_a_metric_is_summarised_by_its_own_statistic(tmp_path: Path, shared: bool) -> None:
    classes = {"tail": "Tail", "worst": "Worst", "plain": "Bare", "share": "Share"}
    metrics = "\n".join(f'[[metrics]]\nuse = "./my_metric.py:{use}"\nname = "{name}"' for name, use in classes.items())
    path = suite_of(tmp_path, metrics, STATISTICS)
    if shared:
        shift = 'use = "covariate/random_diagonal"\nprompts_per_draw = 64\nseverities = [4.0]'
        path.write_text(path.read_text().replace('use = "base"', shift))
    run = run_suite(path, tmp_path / "run")
    losses, scores = run.losses, run.scores
    assert run.complete
    of_size = losses[(losses["model"] == "ols") & (losses["context_size"] == 6)]
    plain = of_size["plain"].to_numpy(dtype=np.float64)
    tail, worst, share = (statistic_of(scores, label, 6) for label in ("tail", "worst", "share"))
    assert (tail["statistic"], worst["statistic"], share["statistic"]) == ("quantile", "worst group", "ratio of means")
    assert tail["value"] == pytest.approx(np.quantile(plain, 0.8), rel=1e-12)
    sides = of_size.groupby("worst group")["plain"].apply(lambda values: values.astype(np.float64).mean())
    assert set(sides.index) == {0.0, 1.0}
    assert worst["value"] == pytest.approx(sides.max(), rel=1e-12)
    assert share["value"] == pytest.approx(1.0, rel=1e-12)  # tail and plain store the same losses
    assert (share["value_low"], share["value_high"]) == (share["ci_low"], share["ci_high"])
    for row in (tail, worst):
        if shared:
            assert np.isnan(row["value_low"])
            assert "prompts share random draws" in row["message"]
        else:
            assert row["value_low"] < row["value"] < row["value_high"]
            assert row["message"] == "interval nominal: tail index estimated"


def test_cards_are_read_back_and_older_manifests_get_the_same_roles(tmp_path: Path) -> None:
    run = run_suite(
        suite_of(tmp_path, '[metrics]\nuse = ["normalised_excess_risk", "agreement:ridge"]'), tmp_path / "r"
    )
    cards = read_manifest(run.path).metric_cards
    assert cards == run.manifest.metric_cards
    assert {label: card.role for label, card in cards.items()} == {
        "normalised_excess_risk": None,
        "agreement:ridge": "distance",
        "excess_risk": "excess",
        "zero_error": "signal",
        "squared_error": "risk",  # what skill needs is stored beside the excess
        "bayes_signal": "bayes_signal",
    }
    assert (cards["normalised_excess_risk"].of, cards["normalised_excess_risk"].over) == ("excess_risk", "zero_error")
    assert cards["agreement:ridge"].reference == "ridge"
    path = run.path / "manifest.json"
    older = {name: value for name, value in json.loads(path.read_text()).items() if name != "metric_cards"}
    path.write_text(json.dumps({**older, "schema_version": 2}))
    earlier = read_manifest(run.path).metric_cards
    assert {label: card.role for label, card in earlier.items()} == {label: cards[label].role for label in earlier}


levels = st.floats(0.01, 0.99)
numbers = st.floats(-50.0, 50.0)


def answer_to(labels: list[float], prediction: Prediction) -> Answer:
    """An answer where labels alone are known, one query a prompt."""
    law = PromptLaw(Linear(2), GaussianNoise(0.25), Sizes((1,)))
    draw = law.draw(Streams(0, 0))
    targets = TargetBatch(None, torch.tensor(labels, dtype=torch.float64)[:, None])
    prompts = draw.prompts.select(slice(0, len(labels)))

    def nobody(name: str) -> tuple[object, Prediction]:
        return None, Prediction(torch.zeros_like(prediction.mean))

    return Answer(prompts, targets, draw.parameters, law, prediction, None, nobody)  # type: ignore[arg-type]


@given(st.lists(numbers, min_size=1, max_size=20), levels, numbers)
def test_no_quantile_has_a_smaller_pinball_loss_than_the_samples_own(
    labels: list[float], level: float, other: float
) -> None:
    def loss(quantile: float) -> float:
        mean = torch.zeros(len(labels), 1, dtype=torch.float64)
        quantiles = torch.full((len(labels), 1, 1), quantile, dtype=torch.float64)
        prediction = Prediction(mean, None, quantiles, (level,))
        return float(Pinball(level).losses(answer_to(labels, prediction)).mean())

    own = float(np.quantile(labels, level, method="inverted_cdf"))
    assert loss(own) <= loss(other) + 1e-9


def test_pinball_takes_the_quantile_before_the_gaussian_and_refuses_a_mean_alone() -> None:
    labels, mean = [1.0, -2.0], torch.zeros(2, 1, dtype=torch.float64)
    std, quantiles = torch.ones_like(mean), torch.full((2, 1, 2), 3.0, dtype=torch.float64)
    both = Prediction(mean, std, quantiles, (0.5, 0.1 + 0.8))
    assert Pinball(0.9).losses(answer_to(labels, both))[:, 0].tolist() == pytest.approx([0.2, 0.5])
    gaussian = Pinball(0.8).losses(answer_to(labels, both))[:, 0].tolist()
    assert gaussian == pytest.approx([0.8 * (1.0 - norm.ppf(0.8)), 0.2 * (2.0 + norm.ppf(0.8))])
    with pytest.raises(NoClosedForm, match=r"the model gives no quantile at level 0\.9 and no std"):
        Pinball(0.9).losses(answer_to(labels, Prediction(mean)))


def test_where_only_labels_are_known_metrics_of_f_have_no_value_and_the_others_do() -> None:
    answer = answer_to([1.0, -2.0], Prediction(torch.zeros(2, 1, dtype=torch.float64)))
    metrics: dict[str, Metric] = {
        "squared_error": SquaredError(),
        "zero_error": ZeroError(),
        "label_error": LabelError(),
        "agreement:zero": Agreement("zero"),
    }
    tailless = replace(answer, model=type("Tailless", (), {})())
    found = losses_of(tailless, metrics, rows=2)
    assert set(found.absent) == {"squared_error", "zero_error"}
    assert "only labels are known" in found.absent["squared_error"]
    assert found.columns["label_error"][:, 0].tolist() == [1.0, 4.0]
    assert found.columns["agreement:zero"][:, 0].tolist() == [0.0, 0.0]


def test_every_broken_metric_is_told_at_once(tmp_path: Path) -> None:
    metrics = '[[metrics]]\nuse = "pinball"\n[[metrics]]\nuse = "./my_metric.py:Gone"\n[[metrics]]\nuse = "agreement"'
    with pytest.raises(SuiteError) as refused:
        run_suite(suite_of(tmp_path, metrics), tmp_path / "run")
    assert [problem.split(": ")[1] for problem in refused.value.problems] == [
        "metric 'pinball'",
        "metric 'Gone'",
        "metric 'agreement'",
    ]
