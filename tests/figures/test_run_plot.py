"""`run.plot`: the figure of the command, as matplotlib has it."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from icl_bench import read_run
from icl_bench.errors import IncompleteError, UsageError
from icl_bench.figures.request import KINDS
from tests.command import command, process


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_figure(figures_run, kind):
    figure = read_run(figures_run).plot(kind, width=3.25)
    assert isinstance(figure, Figure)
    assert figure.get_figwidth() == 3.25
    figure.canvas.draw()


def test_skill_unless_told_of_all_models(figures_run):
    figure = read_run(figures_run).plot()
    assert "covariate/scale" in [axes.get_title(loc="left") for axes in figure.axes]
    assert figure.axes[0].get_ylabel() == "skill"


def test_the_file_is_the_commands(figures_run, tmp_path):
    (tmp_path / "own.csv").write_text("x,value\n3,1\n")
    options = ("--kind", "context", "--models", "ols", "--scenarios", "covariate/*", "--severity", "2,3")
    drawn = ("--overlay", tmp_path / "own.csv", "--out", tmp_path / "command.svg")
    assert command("plot", figures_run, *options, *drawn).exit_code == 0
    read_run(figures_run).plot(
        "context",
        models="ols",
        scenarios=["covariate/*"],
        severities=[2.0, "3"],
        overlay=tmp_path / "own.csv",
        out=tmp_path / "python.svg",
    )
    assert (tmp_path / "python.svg").read_bytes() == (tmp_path / "command.svg").read_bytes()


def test_what_cannot_be_drawn_is_refused_as_by_the_command(figures_run, tmp_path):
    run = read_run(figures_run)
    for refusal, kind, options in (
        (UsageError, "heatmpa", {}),
        (UsageError, "skill", {"models": "olls"}),
        (UsageError, "skill", {"severities": 2.0}),
        (UsageError, "scores", {"overlay": "theory.csv"}),
        (UsageError, "skill", {"out": tmp_path / "figure.gif"}),
        (IncompleteError, "interaction", {"scenarios": "covariate/*"}),
    ):
        with pytest.raises(refusal):
            run.plot(kind, **options)


def test_results_load_no_matplotlib():
    code = "import sys, icl_bench.results; print([n for n in ('matplotlib', 'pandas') if n in sys.modules])"
    assert process(code=code).stdout.strip() == "[]"
