"""A user's own curve over a figure: the file's points, where they belong, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from icl_bench.errors import UsageError
from icl_bench.figures.choice import choose
from icl_bench.figures.drawing import PAINTERS
from icl_bench.figures.loaded_run import load_runs
from icl_bench.figures.overlay import MOST_BYTES, read_overlays
from icl_bench.figures.request import Request
from icl_bench.figures.severity_axis import severity_axis
from tests.command import command


def file(folder: Path, text: str) -> Path:
    path = folder / "theory.csv"
    path.write_text(text, encoding="utf-8")
    return path


def lines(run: Path, folder: Path, kind: str, text: str, **chosen: tuple[str, ...]) -> dict[str, list[list[float]]]:
    """Return the values of every black line of a figure by the title of its panel."""
    request = Request(kind, folder / "f.svg", overlays=read_overlays([file(folder, text)], kind), **chosen)
    metric = "" if kind == "skill" else "squared_error"
    runs = load_runs([run], [metric] if metric else [])
    figure = PAINTERS[kind](request, runs, choose(request, runs, metric))
    return {
        axes.get_title(loc="left").replace("\n", ""): [
            list(line.get_ydata()) for line in axes.lines if line.get_color() == "black" and len(line.get_ydata())
        ]
        for axes in figure.axes
    }


def test_points_are_the_files_in_the_panels_that_it_names(figures_run: Path, tmp_path: Path) -> None:
    text = "label,scenario,severity,value\na,covariate/scale,1.5,0.25\na,covariate/scale,0.7,0.5\nb,,1,0.75\n"
    found = lines(figures_run, tmp_path, "skill", text)
    assert found["covariate/scale"] == [[0.5, 0.25], [0.75]]
    assert [0.75] in found["noise/variance"]
    assert [0.5, 0.25] not in found["noise/variance"]


def test_points_beyond_an_axis_are_left_out_and_those_beyond_the_scale_are_marked(
    figures_run: Path, tmp_path: Path
) -> None:
    text = "scenario,x,value\ncovariate/scale,0.9,1e30\ncovariate/scale,1,2\ncovariate/scale,1e6,3\n"
    [curve, beyond] = lines(figures_run, tmp_path, "severity", text)["covariate/scale"]
    assert curve == [1e30, 2.0]
    assert len(beyond) == 1
    assert beyond[0] < 1e30


def test_a_curve_over_context_sizes(figures_run: Path, tmp_path: Path) -> None:
    found = lines(figures_run, tmp_path, "context", "context_size,value\n2,0.5\n3,0.25\n", scenarios=("base",))
    assert found == {"unshifted": [[0.5, 0.25]]}


def test_places_between_severities_follow_the_axis() -> None:
    axis = severity_axis([0.5, 1.0, 2.0, 4.0])
    assert axis.position(math.sqrt(2.0)) == pytest.approx(0.5)
    assert axis.position(1.0) == pytest.approx(1.0 / 3.0)
    assert math.isnan(severity_axis([1.0]).position(2.0))


def test_the_command_draws_it_and_names_it(figures_run: Path, tmp_path: Path) -> None:
    path = file(tmp_path, "severity,value\n1,0.5\n2,0.25\n")
    done = command("plot", figures_run, "--out", tmp_path / "f.svg", "--overlay", path)
    assert done.exit_code == 0, done.output
    assert ">theory</text>" in (tmp_path / "f.svg").read_text()


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("skill", "", "expected the columns severity"),
        ("skill", "severity,value\n", "at least one row"),
        ("skill", "severity,vlaue\n1,1\n", "expected the columns severity"),
        ("skill", "severity,x,value\n1,1,1\n", "expected the columns severity"),
        ("context", "severity,value\n1,1\n", "expected the columns context_size"),
        ("skill", "severity,value\n1,one\n", "line 2: expected a number for value, got 'one'"),
        ("skill", "severity,value\n1\n", "line 2: expected a number for value"),
        ("skill", "severity,value\nnan,1\n", "expected a number for severity"),
        ("severity", "severity,value\n1,inf\n", "expected a number for value"),
        ("skill", "severity,value\n1,1.5\n", "skill lies between -1 and 1, got 1.5"),
        ("skill", "severity,value\n1,1\n1,0.5\n", "came before"),
        ("skill", 'severity,value\n1,"0.5', "comma-separated"),
        ("skill", "scenario,severity,value\ncovariate/scael,1,1\n", "did you mean 'covariate/scale'?"),
        ("skill", "scenario,severity,value\ncovariate/scale,1e9,1\n", "which no axis of the figure holds"),
        ("scores", "severity,value\n1,1\n", "--overlay means nothing to --kind scores"),
    ],
)
def test_what_is_no_curve_is_refused(figures_run: Path, tmp_path: Path, kind: str, text: str, said: str) -> None:
    out = tmp_path / "f.svg"
    done = command("plot", figures_run, "--kind", kind, "--out", out, "--overlay", file(tmp_path, text))
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
    assert not out.exists()


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_overlays([tmp_path / "absent.csv"], "skill")
    with pytest.raises(UsageError, match="cannot be read"):
        read_overlays([tmp_path], "skill")
    (tmp_path / "bytes.csv").write_bytes(b"severity,value\n1,\xff\n")
    with pytest.raises(UsageError, match="UTF-8"):
        read_overlays([tmp_path / "bytes.csv"], "skill")
    with (tmp_path / "long.csv").open("wb") as written:
        written.truncate(MOST_BYTES + 1)
    with pytest.raises(UsageError, match="at most"):
        read_overlays([tmp_path / "long.csv"], "skill")
