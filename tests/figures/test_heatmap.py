"""Figure `heatmap`: skill in the page's colours where the run has one, else the headline number and the reason."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from icl_bench import read_run
from icl_bench.report.page import assets
from icl_bench.results import Run


@pytest.fixture(scope="module")
def run(figures_run: Path) -> Run:
    return read_run(figures_run)


@pytest.fixture
def without_losses(figures_run: Path, tmp_path: Path) -> Run:
    for name in ("manifest.json", "scores.parquet"):
        shutil.copy(figures_run / name, tmp_path)
    return read_run(tmp_path)


def texts(figure: Figure) -> list[str]:
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return [*legends, *(axes.get_ylabel() for axes in figure.axes)]


def test_tiles_are_the_runs_skill_from_minus_one_to_one(run):
    figure = run.plot("heatmap", scenarios=["covariate/scale"], models=["ols", "averaging", "fragile"])
    [mesh] = figure.axes[0].collections
    frame = run.skill
    cells = frame[(frame.scope == "cell") & frame.name.str.startswith("covariate/scale ")]
    wanted = cells.pivot(index="model", columns="name", values="skill").loc[["ols", "averaging", "fragile"]]
    np.testing.assert_array_equal(np.asarray(mesh.get_array()), wanted.to_numpy())
    assert mesh.get_clim() == (-1.0, 1.0)
    [strokes] = [line for line in figure.axes[0].lines if line.get_marker() == "_"]
    assert len(strokes.get_xdata()) == int((wanted <= -0.05).to_numpy().sum()) > 0
    assert "skill" in texts(figure)


def test_the_unshifted_skill_comes_first_and_what_is_left_out_is_a_cross(run):
    axes = run.plot("heatmap", scenarios=["base", "noise/heavy_tail"], width=5.5).axes[0]
    [mesh] = axes.collections
    numbers = np.ma.filled(np.ma.masked_invalid(mesh.get_array()), np.nan)
    frame = run.skill
    unshifted = frame[frame.scope == "unshifted"].set_index("model").skill
    np.testing.assert_array_equal(numbers[:, 0], unshifted[list(run.manifest.models)].to_numpy())
    [crosses] = [line for line in axes.lines if line.get_marker() == "x"]
    assert sorted(zip(crosses.get_xdata(), crosses.get_ydata(), strict=True)) == [
        (x, y) for x in range(numbers.shape[1]) for y in range(numbers.shape[0]) if np.isnan(numbers[y, x])
    ]


def test_colours_are_the_pages(run):
    css = assets.read("page.css")
    light = css[: css.index("@media")]
    page = [re.search(rf"--skill-{name}: (#\w+)", light).group(1) for name in ("low", "mid", "high")]
    [mesh] = run.plot("heatmap").axes[0].collections
    assert [to_hex(mesh.cmap(mesh.norm(skill))) for skill in (-1.0, 1.0)] == [page[0], page[2]]
    middle = [int(page[1][start : start + 2], 16) for start in (1, 3, 5)]
    assert np.allclose(np.array(mesh.cmap(mesh.norm(0.0)))[:3] * 255, middle, atol=1.0)


def test_a_metric_is_shown_where_it_is_chosen(run):
    assert "excess risk / risk of zero" in texts(run.plot("heatmap", metric="normalised_excess_risk"))


def test_a_run_without_skill_shows_its_headline_number_and_says_why(without_losses):
    found = texts(without_losses.plot("heatmap", width=5.5))
    assert {"excess risk / risk of zero", "† risk / risk of zero"} <= set(found)
    assert "no skill: the losses of this run were not kept" in found
