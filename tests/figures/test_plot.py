"""`icl-bench plot` on a small run with everything awkward in it: what each figure says, its bytes, its refusals."""

from __future__ import annotations

import itertools
import math
import shutil
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from icl_bench.figures.loaded_run import LoadedRun, load_runs, run_names
from icl_bench.figures.request import KINDS
from icl_bench.figures.series import BAYES, MODEL, ZERO, against_context, against_severity
from icl_bench.figures.severity_axis import severity_axis
from icl_bench.figures.style import MARKERS, PALETTE, decade_ticks, log_limits, look, power_text
from icl_bench.names import matching
from icl_bench.rendering.looks import COLOURS, MARKS, Look, looks
from icl_bench.tables.manifest import read_manifest, write_manifest
from icl_bench.tables.score_table import read_scores, write_scores
from tests.command import Done, command, process

RENAMED = {"averaging": r"_<b>$\frac{$_&", "zero": "模型"}
"""A suite refuses such names; a table that was sent to us may hold them."""
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="session")
def run_folder(figures_run: Path) -> Path:
    return figures_run


@pytest.fixture(scope="module")
def hostile_folder(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run as a foreign table could have it, its losses not kept."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = read_scores(run_folder / "scores.parquet").to_pylist()
    renamed = [{**row, "model": RENAMED.get(row["model"], row["model"])} for row in rows]
    write_scores(folder / "scores.parquet", renamed)
    manifest = read_manifest(run_folder)
    models = {RENAMED.get(name, name): digest for name, digest in manifest.models.items()}
    write_manifest(folder, replace(manifest, models=models))
    return folder


@pytest.fixture(scope="module")
def loaded(run_folder: Path) -> LoadedRun:
    [run] = load_runs([run_folder], ["squared_error"])
    return run


def call(*arguments: object) -> Done:
    return command("plot", *arguments)


def drawn(out: Path, *arguments: object) -> ElementTree.Element:
    result = call(*arguments, "--out", out)
    assert result.exit_code == 0, result.output
    return ElementTree.parse(out).getroot()


def texts(root: ElementTree.Element) -> list[str]:
    return ["".join(element.itertext()).strip() for element in root.iter(f"{SVG}text")]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "skill",
            {
                "covariate/scale",
                "noise/variance",
                "scale c of x",
                "examples beyond d",
                "skill",
                "Bayes",
                "predicting zero",
            },
        ),
        (
            "severity",
            {"covariate/scale", "noise/variance", "length/interpolation", "noise variance", "risk", "Bayes", "∞"},
        ),
        ("context", {"unshifted", "examples in context", "risk", "Bayes", "open: median, no mean exists"}),
        ("heatmap", {"unshifted", "joint/both", "0.5", "no number", "0.05 or more below predicting zero", "2 x 4"}),
        ("scores", {"covariate", "noise", "length", "joint", "SDR", "AUSC", "fewer severities than the run has"}),
        ("agreement", {"unshifted", "ols", "Bayes under the test law", "squared distance / risk of zero"}),
        ("interaction", {"joint/both 2 x 0", "joint/both 2 x 4", "interaction (log risk)", "95% interval"}),
        ("breakdown", {"covariate/scale", "noise/heavy_tail", "severity", "no better", "∞"}),
    ],
)
def test_every_kind_says_what_it_shows(run_folder, tmp_path, kind, expected):
    root = drawn(tmp_path / "figure.svg", run_folder, "--kind", kind)
    found = texts(root)
    assert expected <= set(found), found
    named = {"ols", "averaging", "fragile"} if kind == "skill" else {"bayes", "ols", "averaging", "zero", "fragile"}
    assert named <= set(found)


def test_a_dial_is_named_below_its_panel_and_another_scenarios_is_a_severity(run_folder, tmp_path):
    folder = tmp_path / "renamed"
    folder.mkdir()
    manifest, old, new = read_manifest(run_folder), "covariate/scale", "covariate/of-my-own"
    scenarios = [new if name == old else name for name in manifest.scenarios]
    identities = {new if name == old else name: place for name, place in manifest.identities.items()}
    write_manifest(folder, replace(manifest, scenarios=scenarios, identities=identities))
    rows = read_scores(run_folder / "scores.parquet").to_pylist()
    write_scores(folder / "scores.parquet", [{**row, "scenario": row["scenario"].replace(old, new)} for row in rows])
    found = texts(drawn(tmp_path / "both.svg", folder, "--kind", "severity", "--scenarios", f"{new},noise/variance"))
    assert (found.count("severity"), found.count("noise variance")) == (1, 1)
    alone = texts(drawn(tmp_path / "same.svg", run_folder, "--kind", "severity", "--scenarios", "*/heavy_tail"))
    assert alone.count("degrees of freedom") == 1


def test_every_kind_is_tried_above():
    [mark] = test_every_kind_says_what_it_shows.pytestmark
    assert {kind for kind, _ in mark.args[1]} == set(KINDS)


@pytest.mark.parametrize("suffix", [".pdf", ".svg", ".png", ".eps"])
def test_the_same_run_gives_the_same_bytes(run_folder, tmp_path, suffix):
    for name in ("one", "two"):
        assert (
            call(
                run_folder, "--kind", "context", "--scenarios", "base", "--out", tmp_path / f"{name}{suffix}"
            ).exit_code
            == 0
        )
    written = (tmp_path / f"one{suffix}").read_bytes()
    assert written == (tmp_path / f"two{suffix}").read_bytes()
    assert written.startswith({".pdf": b"%PDF", ".svg": b"<?xml", ".png": b"\x89PNG", ".eps": b"%!PS"}[suffix])
    if suffix == ".pdf":
        assert b"/CreationDate" not in written
        assert b"/Subtype /Type3" not in written
        assert b"/FontFile2" in written  # TrueType, embedded
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"one{suffix}", f"two{suffix}"]


@pytest.mark.parametrize("kind", ["severity", "heatmap", "agreement"])
def test_hostile_names_stay_text(hostile_folder, tmp_path, kind):
    for suffix in (".svg", ".pdf"):
        assert call(hostile_folder, "--kind", kind, "--out", tmp_path / f"figure{suffix}").exit_code == 0
    assert set(RENAMED.values()) <= set(texts(ElementTree.parse(tmp_path / "figure.svg").getroot()))


def test_size_is_as_asked(run_folder, tmp_path):
    options = ("--kind", "context", "--width", "3.25", "--height", "5")
    root = drawn(tmp_path / "narrow.svg", run_folder, *options)
    assert (root.get("width"), root.get("height")) == ("234pt", "360pt")
    assert drawn(tmp_path / "default.svg", run_folder, "--kind", "context").get("width") == "396pt"


def test_curves_hold_the_tables_numbers_with_gaps_and_medians(loaded):
    curves = {
        (item.role, item.name): item
        for item in against_severity(loaded, 0, "covariate/scale", loaded.summary.models, "squared_error")
    }
    rows = loaded.summary.points
    base = loaded.summary.base
    assert [mark.x for mark in curves[MODEL, "ols"].marks] == [0.5, 1.0, 2.0, 3.0]  # the reference at its identity
    assert curves[BAYES, ""].marks[1].value == base.bayes_risk
    assert curves[ZERO, ""].marks[3].value == next(point.zero_risk for point in rows if point.place.label == "3")
    fragile = [mark.value for mark in curves[MODEL, "fragile"].marks]
    assert fragile[1] is not None
    assert fragile[3] is None
    by_size = {item.name: item for item in against_context(loaded, 0, base.place, ["ols"], "squared_error")}
    kinds = {mark.x: mark.kind for mark in by_size["ols"].marks}
    assert kinds == {0: "mean", 1: "mean", 2: "median", 3: "median", 4: "median", 6: "mean"}


def test_normalised_references_are_bayes_over_zero_and_one(run_folder):
    [run] = load_runs([run_folder], ["normalised_error"])
    curves = against_severity(run, 0, "covariate/scale", ["ols"], "normalised_error")
    zero = next(item for item in curves if item.role == ZERO)
    assert {mark.value for mark in zero.marks} == {1.0}
    bayes = next(item for item in curves if item.role == BAYES)
    assert bayes.marks[1].value == run.summary.base.achievable


def rewritten(run_folder: Path, folder: Path, change) -> Path:
    """A copy of the run without its losses, every row of its scores changed."""
    folder.mkdir()
    shutil.copy(run_folder / "manifest.json", folder)
    rows = read_scores(run_folder / "scores.parquet").to_pylist()
    write_scores(folder / "scores.parquet", [row for old in rows if (row := change(dict(old))) is not None])
    return folder


def gapped(row):
    """Averaging without a number at severity 2, its other intervals lost."""
    if row["model"] == "averaging":
        if row["severity_label"] == "2":
            return None
        return {**row, "ci_low": None, "ci_high": None}
    return row


def test_a_failed_or_missing_cell_is_a_gap_and_a_lost_interval_draws_no_band(run_folder, tmp_path):
    options = ("--kind", "severity", "--scenarios", "covariate/scale", "--models", "averaging")
    whole = drawn(tmp_path / "whole.svg", run_folder, *options)
    folder = rewritten(run_folder, tmp_path / "gapped", gapped)
    broken = drawn(tmp_path / "broken.svg", folder, *options)

    def bands(root: ElementTree.Element) -> int:
        return sum("PolyCollection" in element.get("id", "") for element in root.iter(f"{SVG}g"))

    assert (bands(whole), bands(broken)) == (1, 0)
    assert [path.get("d").count("M") for path in curves_of(whole)] == [1]
    assert [path.get("d").count("M") for path in curves_of(broken)] == [1]  # 0.5 to 1; 3 stands alone
    assert len(curves_of(broken)[0].get("d").split()) < len(curves_of(whole)[0].get("d").split())


def curves_of(root: ElementTree.Element, model: str = "averaging") -> list[ElementTree.Element]:
    """The curves in the colour of a model, clipped by their panel: not the key's."""
    colour = PALETTE[looks([model])[model].colour].lower()
    return [
        path
        for group in root.iter(f"{SVG}g")
        for path in group.findall(f"{SVG}path")
        if group.get("id", "").startswith("line2d")
        and path.get("clip-path")
        and f"stroke: {colour}" in path.get("style", "")
    ]


def test_two_runs_overlay_with_a_line_style_each(run_folder, tmp_path):
    other = rewritten(run_folder, tmp_path / "other", lambda row: row)
    root = drawn(tmp_path / "both.svg", run_folder, other, "--kind", "context", "--models", "bayes,ols")
    assert {"run run", "run other", "bayes", "ols"} <= set(texts(root))
    dashed = ["stroke-dasharray" in path.get("style") for path in curves_of(root, "ols")]
    assert dashed.count(True) == dashed.count(False) > 0


def test_a_single_severity_of_context_is_chosen_by_its_number(run_folder, tmp_path):
    options = ("--kind", "context", "--scenario", "covariate/*,joint/*", "--severity", "2.0,2x0")
    found = texts(drawn(tmp_path / "chosen.svg", run_folder, *options))
    assert "covariate/scale 2" in found
    assert "joint/both 2 x 0" in found
    assert not {"covariate/scale 3", "joint/both 2 x 4", "unshifted"} & set(found)


def test_metric_renames_the_axis(run_folder, tmp_path):
    root = drawn(tmp_path / "figure.svg", run_folder, "--kind", "severity", "--metric", "agreement:ols")
    assert "squared distance to ols" in texts(root)
    assert not {"Bayes", "predicting zero"} & set(texts(root))


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--kind", "heatmpa"], 2, "did you mean 'heatmap'"),
        (["--kind", "severity", "--models", "olls"], 2, "did you mean 'ols'"),
        (["--kind", "severity", "--scenarios", "covariate/scal"], 2, "did you mean 'covariate/scale'"),
        (["--kind", "context", "--severity", "7"], 2, "there are: "),
        (["--kind", "severity", "--severity", "2"], 2, "--severity means nothing to --kind severity"),
        (["--kind", "scores", "--metric", "squared_error"], 2, "--metric means nothing to --kind scores"),
        (["--kind", "severity", "--metric", "square_error"], 2, "did you mean 'squared_error'"),
        (["--kind", "severity", "--width", "nan"], 2, "expected inches"),
        (["--kind", "severity", "--height", "-1"], 2, "expected inches"),
        (["--kind", "breakdown", "--width", "1.5", "--height", "1.5"], 2, "too small for this figure"),
        (["--kind", "severity", "--scenarios", "joint/*"], 4, "--kind interaction"),
        (["--kind", "interaction", "--scenarios", "covariate/*"], 4, "product = [...]"),
        (["--kind", "scores", "--scenarios", "base"], 4, "nothing to draw"),
        (["--kind", "breakdown", "--scenarios", "joint/*"], 4, "nothing to draw"),
        (["--kind", "context", "--models", "bayes", "--scenarios", "noise/heavy_tail"], 4, "nothing to draw"),
        (["--kind", "heatmap", "--models", "bayes", "--scenarios", "noise/heavy_tail"], 4, "nothing to draw"),
        (["--kind", "agreement", "--models", "bayes", "--scenarios", "noise/heavy_tail"], 4, "nothing to draw"),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_nothing_is_written(run_folder, tmp_path, options, code, said):
    result = call(run_folder, *options, "--out", tmp_path / "figure.pdf")
    assert result.exit_code == code, result.output
    assert said in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_in_which_no_model_has_a_number_draws_nothing(run_folder, tmp_path, kind):
    empty = rewritten(run_folder, tmp_path / "empty", lambda row: row if row["model"] == "(prompts)" else None)
    result = call(empty, "--kind", kind, "--out", tmp_path / "figure.pdf")
    assert result.exit_code == 4, result.output
    assert "nothing to draw" in result.output
    assert not (tmp_path / "figure.pdf").exists()


def test_refusals_about_files_and_runs(run_folder, tmp_path):
    for runs, kind, out, said in (
        ([run_folder], "scores", "figure.gif", "expected a file that ends with one of .pdf, .svg, .png, .eps"),
        ([run_folder], "scores", "no/folder.pdf", "expected a file in an existing folder"),
        ([run_folder, run_folder], "scores", "figure.pdf", "--kind scores takes one run, 2 came"),
        ([tmp_path], "severity", "figure.pdf", "is not a run"),
    ):
        result = call(*runs, "--kind", kind, "--out", tmp_path / out)
        assert result.exit_code == 2, result.output
        assert said in result.output
    assert list(tmp_path.iterdir()) == []


def test_scores_need_losses(hostile_folder, tmp_path):
    result = call(hostile_folder, "--kind", "scores", "--out", tmp_path / "figure.pdf")
    assert result.exit_code == 4
    assert "the losses of this run were not kept" in result.output


def test_without_matplotlib_the_remedy_is_said(run_folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = call(run_folder, "--kind", "scores", "--out", tmp_path / "figure.pdf")
    assert result.exit_code == 2
    assert "pip install 'icl-bench[plot]'" in result.output


def test_the_verb_loads_nothing_heavy():
    code = "import sys, icl_bench.cli.plot; print([n for n in ('matplotlib', 'numpy', 'torch') if n in sys.modules])"
    done = process(code=code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_models_have_looks_of_their_own():
    assert math.gcd(len(PALETTE), len(MARKERS)) == 1
    assert (len(PALETTE), len(MARKERS)) == (COLOURS, MARKS)
    names = [f"model-{number}" for number in range(60)]
    found = looks(names)
    assert len(set(found.values())) == len(names)
    alone = looks(names[:1])
    assert all(looks([*names, "one-more"])[name].colour == found[name].colour for name in names)
    assert alone[names[0]].colour == found[names[0]].colour
    first, second = look(Look(3, 3), 0, 2), look(Look(3, 3), 1, 2)
    assert (first.colour, first.marker) == (second.colour, second.marker)
    assert first.dashes != second.dashes


def test_runs_of_one_name_are_told_apart(tmp_path):
    assert run_names([tmp_path / "a" / "run", tmp_path / "b" / "run"]) == ("a/run", "b/run")
    assert run_names([tmp_path, tmp_path])[0] != run_names([tmp_path, tmp_path])[1]


def test_patterns_may_be_names_with_brackets():
    assert matching(["a[1]", "a1"], ["a[1]"], "model") == ("a[1]", "a1")
    assert matching(["a[2]", "a1"], ["a[2]"], "model") == ("a[2]",)


SEVERITIES = st.lists(st.floats(-1e6, 1e6) | st.just(math.inf), min_size=1, max_size=12, unique=True)


@given(SEVERITIES, st.floats(0.05, 0.5))
def test_severities_keep_their_order_and_ticks_their_distance(severities, spacing):
    axis = severity_axis(severities)
    assert list(axis.severities) == sorted(severities)
    assert list(axis.positions) == sorted(axis.positions)
    assert all(0.0 <= position <= 1.0 for position in axis.positions)
    kept = severities[0]
    ticks = axis.ticks(spacing, kept)
    assert axis.position(kept) in [position for position, _ in ticks]
    places = [position for position, _ in ticks]
    assert all(second - first >= spacing for first, second in itertools.pairwise(places))


@given(st.lists(st.floats(1e-14, 1e14), min_size=1, max_size=20), st.none() | st.floats(1e-3, 1e6))
def test_limits_hold_what_is_not_far_off_and_ticks_lie_within(values, ceiling):
    low, high = log_limits(values, None, ceiling)
    assert 0.0 < low < high
    assert math.log10(high / low) < 8.0
    shown = [value for value in values if value > 1e-12 and (ceiling is None or value <= ceiling)]
    if shown:
        assert low < max(shown) < high
    assert all(low <= tick <= high * (1.0 + 1e-9) for tick in decade_ticks(low, high, 6))


def test_ticks_are_plain_characters():
    assert [power_text(value) for value in (1e-3, 0.01, 0.5, 1.0, 100.0, 1e3, 1e12)] == [
        "10⁻³",
        "0.01",
        "0.5",
        "1",
        "100",
        "10³",
        "10¹²",
    ]
