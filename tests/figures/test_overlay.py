"""`icl-bench plot --overlay`: the values drawn are the file's, and what cannot be laid over a figure is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from icl_bench.errors import UsageError
from icl_bench.figures.curve_panel import CurvePanel
from icl_bench.figures.overlay import laid_over
from icl_bench.figures.overlay_file import LARGEST_BYTES
from icl_bench.figures.request import Request
from icl_bench.figures.series import MODEL, OVERLAY, CurveMark, Series
from icl_bench.figures.severity_axis import severity_axis
from tests.command import command


def panel(scenario: str, *xs: float, severity: str = "") -> CurvePanel:
    """A panel with one model at these severities."""
    series = Series(MODEL, "model", 0, tuple(CurveMark(x, 0.5) for x in xs))
    label = f"{scenario} {severity}".strip()
    return CurvePanel(
        label, scenario, "severity", severity, (series,), severity_axis(xs).position, lambda _axes, _width: None
    )


PANELS = (panel("covariate/scale", 0.5, 1.0, 2.0), panel("noise/heavy_tail", 2.5, 5.0, math.inf))


def laid(folder: Path, text: str, kind: str = "skill", panels=PANELS) -> list[dict[str, list[tuple[float, float]]]]:
    """What each panel shows of a file: label -> points."""
    file = folder / "theory.csv"
    file.write_text(text, encoding="utf-8")
    found = laid_over(Request(kind, folder / "figure.pdf", overlays=(file,)), panels)
    return [
        {
            series.name: [(mark.x, mark.value) for mark in series.marks]
            for series in each.series
            if series.role == OVERLAY
        }
        for each in found
    ]


def test_the_values_are_the_files_in_the_panels_that_it_names(tmp_path):
    exact = "covariate/scale,2,-1.5,exact\ncovariate/scale,0.7,0.25,exact\n"
    scale, tail = laid(tmp_path, f"scenario,x,value,label\n{exact},3,0.125,bound\n,inf,0,bound\n")
    assert scale == {"exact": [(0.7, 0.25), (2.0, -1.5)]}
    assert tail == {"bound": [(3.0, 0.125), (math.inf, 0.0)]}


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("header", ["x,value", "severity,value", " value , x "])
def test_without_scenario_and_label_every_panel_has_the_files_stem(tmp_path, header, start):
    row = "0.5,3" if "value ," in header else "3,0.5"
    assert laid(tmp_path, f"{start}{header}\n\n{row}\n", panels=(panel("a/b", 1.0, 4.0), panel("c/d", 2.0, 4.0))) == [
        {"theory": [(3.0, 0.5)]},
        {"theory": [(3.0, 0.5)]},
    ]


def test_rows_beyond_a_panel_are_left_out_but_not_those_of_a_rounded_end(tmp_path):
    [found] = laid(tmp_path, "x,value\n0.33,1\n3,1\n10,1\n0,1\n-1,1\n", panels=[panel("a/b", 1.0 / 3.0, 1.0, 3.0)])
    assert found == {"theory": [(0.33, 1.0), (3.0, 1.0)]}


def test_a_severity_chooses_among_the_panels_of_context(tmp_path):
    panels = [panel("a/b", 0.0, 8.0, severity="2"), panel("a/b", 0.0, 8.0, severity="3")]
    text = "scenario,severity,context_size,value\na/b,2.0,4,1.5\na/b 3,,4,2.5\n"
    assert laid(tmp_path, text, "context", panels) == [{"theory": [(4.0, 1.5)]}, {"theory": [(4.0, 2.5)]}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected the columns x (or severity) and value, and perhaps scenario, label; got an empty file"),
        ("x,value\n", "got none below the names of the columns"),
        ("x,label\n1,a\n", "expected the columns x (or severity) and value"),
        ("x;value\n1;2\n", "got 'x;value'"),
        ("x,severity,value\n1,1,2\n", "each once"),
        ("x,value,scenari\n1,2,a\n", "'scenari' is none of them (did you mean 'scenario'?)"),
        ("x,value\n1,2,3\n", "line 2: expected 2 cells, got 3"),
        ('x,value\n1,"2\n', "expected CSV"),
        ("x,value\n1,much\n", "line 2: expected a finite number as value, got 'much'"),
        ("x,value\n1,nan\n", "line 2: expected a finite number as value, got 'nan'"),
        ("x,value\n1,\n", "line 2: expected a finite number as value, got ''"),
        ("x,value\n1,inf\n", "line 2: expected a finite number as value"),
        ("x,value\nnan,1\n", "line 2: expected a number as severity, got 'nan'"),
        ("x,value\n1,0\n2,0\n1.0,1\n", "line 4: expected each severity once a curve, got 1 again (first in line 2)"),
        ("scenario,x,value\ncovariate/scal,1,0\n", "belongs to no panel"),
        ("scenario,x,value\ncovariate/scal,1,0\n", "(did you mean 'covariate/scale'?)"),
        ("x,value\n0.01,0\n1000,0\n", "no row within what is drawn; expected x in covariate/scale 0.5 to 2"),
        ("scenario,x,value\ncovariate/scale,1,0\n,2,0\n", "comes twice into the panel covariate/scale"),
        ("label,x,value\na,1,0\nb,1,0\nc,1,0\nd,1,0\ne,1,0\n", "expected at most 4 labels"),
    ],
)
def test_a_file_that_cannot_be_laid_over_says_why(tmp_path, text, said):
    with pytest.raises(UsageError) as refused:
        laid(tmp_path, text)
    assert said in str(refused.value)
    assert "--overlay" in str(refused.value)


def test_a_size_of_context_is_finite_and_not_negative(tmp_path):
    for x in ("-1", "inf"):
        with pytest.raises(UsageError, match="0 or more, as context_size"):
            laid(tmp_path, f"x,value\n{x},1\n", "context")


def refusal(*paths: Path) -> str:
    with pytest.raises(UsageError) as refused:
        laid_over(Request("skill", Path("figure.pdf"), overlays=paths), PANELS)
    return str(refused.value)


def test_files_that_cannot_be_read(tmp_path):
    assert "No such file" in refusal(tmp_path / "none.csv")
    assert "cannot be read" in refusal(tmp_path)
    file = tmp_path / "bytes.csv"
    file.write_bytes(b"x,value\n1,\xff\n")
    assert "expected UTF-8" in refusal(file)
    file.write_bytes(b"x,value\n" + b"1,2\n" * (LARGEST_BYTES // 4))
    assert "expected at most 4 MB" in refusal(file)


def test_a_label_is_in_one_file(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text("x,value,label\n1,0,same\n")
    said = refusal(tmp_path / "one.csv", tmp_path / "two.csv")
    assert "two.csv: expected a label that no other file has, got 'same'" in said


def test_the_command_draws_dashed_ink_and_says_what_it_is(figures_run, tmp_path):
    (tmp_path / "theory.csv").write_text(
        "scenario,x,value,label\ncovariate/scale,0.5,0.9,exact\ncovariate/scale,3,-9,exact\n"
    )
    (tmp_path / "bound.csv").write_text("x,value\n1,0.5\n2,0.5\n")
    options = (
        "--overlay",
        tmp_path / "theory.csv",
        "--overlay",
        tmp_path / "bound.csv",
        "--out",
        tmp_path / "figure.svg",
    )
    result = command("plot", figures_run, *options)
    assert result.exit_code == 0, result.output
    drawn = (tmp_path / "figure.svg").read_text()
    assert "exact (partly off the scale)" in drawn
    assert ">bound<" in drawn
    inked = [
        line for line in drawn.splitlines() if "stroke: #000000; stroke-width: 1.2" in line and "clip-path" in line
    ]
    assert len(inked) == 4  # exact in one panel; bound in all three of a severity from 1 to 2
    assert all("stroke-dasharray" in line for line in inked)


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("scores", "x,value\n1,2\n", "--overlay means nothing to --kind scores; it is for skill, severity, context"),
        ("severity", "x,value\n2,-1\n", "no value of the curve 'theory' lies on the axis"),
        ("context", "scenario,x,value\nunshifte,2,1\n", "belongs to no panel"),
    ],
)
def test_the_command_refuses_and_writes_nothing(figures_run, tmp_path, kind, text, said):
    (tmp_path / "theory.csv").write_text(text)
    options = ("--kind", kind, "--overlay", tmp_path / "theory.csv", "--out", tmp_path / "figure.pdf")
    result = command("plot", figures_run, *options)
    assert result.exit_code == 2, result.output
    assert said in result.output
    assert not (tmp_path / "figure.pdf").exists()
