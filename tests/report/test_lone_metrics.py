"""A run of any one metric alone is reported in every format, plotted, compared and on the page."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from icl_bench import read_run, run_suite
from icl_bench.cli.main import app

OWN = '''
"""Metrics of one's own, one of each kind, and a model that misses by as much as it is told."""

import torch

from icl_bench import PlainMetric, Prediction


class Guess:
    def __init__(self, off: float):
        self.off = off

    def predict(self, prompts):
        mean = torch.full(prompts.query_x.shape[:2], self.off, dtype=torch.float64)
        return Prediction(mean, torch.ones_like(mean))


class AbsoluteError(PlainMetric):
    """|prediction - y|."""

    unit, direction, can_be_negative = "label", "lower", False

    def losses(self, answer):
        return (answer.prediction.mean - answer.targets.query_y).abs()


class WideError(AbsoluteError):
    """Size of the miss."""

    statistic, level = "quantile", 0.9


class UnfairError(AbsoluteError):
    """Size of the miss."""

    statistic = "worst group"

    def groups(self, answer):
        return (answer.prompts.query_x[:, 0, 0] > 0).long()


class Closeness(AbsoluteError):
    """1 / (1 + |prediction - y|)."""

    unit, direction = "1", "higher"

    def losses(self, answer):
        return 1.0 / (1.0 + super().losses(answer))


class Surprise(AbsoluteError):
    """Logarithm of the miss."""

    unit, can_be_negative = "nat", True

    def losses(self, answer):
        return (super().losses(answer) + 0.01).log() - 2.0


class Praise(AbsoluteError):
    """-|prediction - y|."""

    direction, can_be_negative = "higher", True

    def losses(self, answer):
        return -super().losses(answer)
'''
SUITE = """
[suite]
name = "lone"
version = 1
[prompts]
n_dims = 2
context_sizes = [0, 2, 4]
noise_std = 0.5
n_prompts = 512
[[models]]
use = "./own.py:Guess"
name = "learner"
off = {off}
[[models]]
use = "./own.py:Guess"
name = "same"
off = 0.0
[[scenarios]]
use = "base"
[[scenarios]]
use = "covariate/scale"
severities = [0.5, 2.0]
[[metrics]]
{metric}
"""


@dataclass(frozen=True)
class Lone:
    """One metric, and what readers have to say of it."""

    metric: str  # of the suite
    shown: str  # sentence of the report
    axis: str  # of figures
    comparable: bool = True


def own(name: str, label: str) -> str:
    return f'use = "./own.py:{name}"\nname = "{label}"'


LONE = {
    "absolute_error": Lone(
        own("AbsoluteError", "absolute_error"),
        "absolute error: |prediction - y|; unit: label.",
        "absolute error [label]",
    ),
    "pinball": Lone('use = "pinball"\nlevel = 0.9', "pinball: max(level (y - q)", "pinball [label]"),
    "wide": Lone(own("WideError", "wide"), "90% quantile of wide: size of the miss", "90% quantile of wide [label]"),
    "unfair": Lone(
        own("UnfairError", "unfair"),
        "worst group's mean of unfair: size of the miss",
        "worst group's mean of unfair [label]",
    ),
    "closeness": Lone(own("Closeness", "closeness"), "higher is better", "closeness"),
    "surprise": Lone(
        own("Surprise", "surprise"), "surprise: logarithm of the miss; unit: nat", "surprise [nat]", comparable=False
    ),
    "praise": Lone(own("Praise", "praise"), "unit: label; higher is better", "praise [label]", comparable=False),
    "label_error": Lone(
        'use = "label_error"', "Shown: squared error to the noisy label.", "squared error to the noisy label"
    ),
}
Runs = Callable[[str, float], Path]
GOOD, BAD = 0.0, 8.0
"""By how much the learner misses."""


@pytest.fixture(scope="module")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The run of one lone metric with a learner that misses by so much, made once."""
    made: dict[tuple[str, float], Path] = {}

    def run(label: str, off: float) -> Path:
        if (label, off) not in made:
            folder = tmp_path_factory.mktemp(label)
            (folder / "own.py").write_text(OWN)
            (folder / "lone.toml").write_text(SUITE.format(off=off, metric=LONE[label].metric))
            made[label, off] = run_suite(folder / "lone.toml", folder / "run").path
        return made[label, off]

    return run


def command(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "120"}).invoke(app, [str(argument) for argument in arguments])


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


@pytest.mark.parametrize("label", LONE)
def test_every_format_shows_it(run_of: Runs, label: str) -> None:
    folder = run_of(label, GOOD)
    scores = read_run(folder).scores
    row = scores[(scores.scenario == "base") & (scores.model == "learner") & scores.headline].iloc[0]
    for name in ("terminal", "markdown", "latex", "csv", "json", "html"):
        done = command("report", folder, "--format", name)
        assert done.exit_code == 0, done.output
        written = done.stdout
        if name in ("terminal", "markdown", "latex"):
            assert "3 ok" not in written
            assert "6 ok" in written
            assert LONE[label].shown in re.sub(r"\\", "", " ".join(written.split()))
            assert f"{row.value:.2f}"[:4] in written
        if name == "csv":
            cells = list(csv.DictReader(io.StringIO(written)))
            assert [cell["status"] for cell in cells] == ["ok"] * 6
            (cell,) = (cell for cell in cells if (cell["scenario"], cell["model"]) == ("base", "learner"))
            assert cell["metric"] == label
            assert float(cell["value"]) == pytest.approx(row.value, rel=1e-12)
            assert float(cell["low"]) == pytest.approx(row.value_low, rel=1e-9)
            assert float(cell["high"]) == pytest.approx(row.value_high, rel=1e-9)
            assert (cell["no_better_than_zero"], cell["normalised_error"]) == ("", "")
        if name == "json":
            assert json.loads(written, parse_constant=refuse)["metric"] == label


@pytest.mark.parametrize("label", LONE)
def test_nothing_is_coloured_where_nothing_says_how_it_stands_to_zero(run_of: Runs, label: str) -> None:
    done = CliRunner(env={"FORCE_COLOR": "1", "TERM": "xterm-256color"}).invoke(
        app, ["report", str(run_of(label, GOOD))]
    )
    assert not re.search(r"\x1b\[(?:\d+;)*3[123]m", done.stdout)
    assert "No colours" in done.stdout


@pytest.mark.parametrize("label", LONE)
@pytest.mark.parametrize("kind", ["severity", "context", "heatmap"])
def test_it_is_plotted(run_of: Runs, label: str, kind: str, tmp_path: Path) -> None:
    folder, out = run_of(label, GOOD), tmp_path / "figure.svg"
    done = command("plot", folder, "--kind", kind, "--out", out)
    assert done.exit_code == 0, done.output
    texts = ["".join(item.itertext()).strip() for item in ElementTree.parse(out).iter() if item.tag.endswith("text")]
    assert LONE[label].axis in texts
    assert "off the scale" not in texts
    if not LONE[label].comparable:  # its axis has room for what is below 0
        assert any(text.startswith("−") for text in texts)


@pytest.mark.parametrize("label", [label for label, lone in LONE.items() if lone.comparable])
def test_a_change_to_the_worse_is_a_regression_whatever_its_direction(run_of: Runs, label: str) -> None:
    good, bad = run_of(label, GOOD), run_of(label, BAD)
    worse = command("compare", good, bad, "--json")
    assert worse.exit_code == 1, worse.output
    found = json.loads(worse.stdout)
    assert found["metric"] == label
    rises = {cell["headline"]["change"] > 0.0 for cell in found["cells"] if cell["verdict"] == "regression"}
    assert rises == {label != "closeness"}
    better = command("compare", bad, good, "--json")
    verdicts = {cell["verdict"] for cell in json.loads(better.stdout)["cells"]}
    assert better.exit_code == 0, better.output
    assert verdicts == {"improvement", "equal"}


def test_what_is_compared_of_a_quantile_is_said(run_of: Runs) -> None:
    done = command("compare", run_of("wide", GOOD), run_of("wide", BAD))
    assert "wide is reported by its quantile; what is compared is the mean of its losses" in " ".join(
        done.stdout.split()
    )


@pytest.mark.parametrize("wanted", [(), ("--metric", "surprise")])
def test_what_can_be_negative_has_no_ratio_and_is_refused(run_of: Runs, wanted: tuple[str, ...]) -> None:
    done = command("compare", run_of("surprise", GOOD), run_of("surprise", BAD), *wanted)
    assert done.exit_code == 2
    assert "surprise can be negative, so it has no ratio of HEAD to BASE" in " ".join(done.stderr.split())


def test_a_nightly_gate_refuses_what_is_better_high(run_of: Runs, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    done = command("compare", run_of("closeness", GOOD), run_of("closeness", BAD), "--sequential", state)
    assert done.exit_code == 2
    assert "more of closeness is better" in " ".join(done.stderr.split())
    assert not state.exists()


def test_the_worst_is_named_first_where_more_is_better(run_of: Runs) -> None:
    done = command("compare", run_of("closeness", GOOD), run_of("closeness", BAD), "--json")
    cells = [cell for cell in json.loads(done.stdout)["cells"] if cell["verdict"] == "regression"]
    worst = min(cells, key=lambda cell: cell["headline"]["change"])
    shown = command("compare", run_of("closeness", GOOD), run_of("closeness", BAD))
    table = shown.stdout[shown.stdout.index("Regressions") :].splitlines()
    assert f"{worst['scenario']} {worst['severity_label']}".strip() in table[2]
    assert "smallest fall found" in shown.stdout
