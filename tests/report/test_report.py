"""`icl-bench report` on a small run with everything awkward in it, its numbers against plain numpy on the losses."""

import csv
import io
import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t as student

from icl_bench import run_suite
from icl_bench.formatting import short, with_half_width
from icl_bench.places import Place
from icl_bench.report.chart import draw
from icl_bench.report.terminal import lines
from icl_bench.scores.breakdown import breakdowns
from icl_bench.scores.curves import Curve, CurvePoint, Line
from icl_bench.scores.points import ModelEntry, Point
from icl_bench.scores.rows import Absent, Statistic, combined
from icl_bench.scores.summary import summarise
from icl_bench.tables.units import read_losses
from tests.command import Done, command, process
from tests.stored_runs import AWKWARD_MODEL


@pytest.fixture(scope="session")
def run_folder(awkward_run: Path) -> Path:
    return awkward_run


def report(*arguments: object, **variables: str) -> Done:
    return command("report", *arguments, **variables)


def table(run_folder: Path) -> dict[tuple[str, str, str], dict[str, str]]:
    rows = csv.DictReader(io.StringIO(report(run_folder, "--format", "csv").stdout))
    return {(row["scenario"], row["severity_label"], row["model"]): row for row in rows}


def loss_column(run_folder: Path, scenario: str, model: str, column: str, seed: int, size: int, label: str = ""):
    frame = read_losses(run_folder / "losses").to_pandas()
    chosen = frame[
        (frame.scenario == scenario)
        & (frame.severity_label == label)
        & (frame.model == model)
        & (frame.seed == seed)
        & (frame.context_size == size)
    ]
    return chosen.sort_values("prompt")[column].to_numpy(dtype=np.float64)


def test_csv_agrees_with_numpy_on_the_losses(run_folder):
    row = table(run_folder)["covariate/scale", "3", "averaging"]
    ratios, errors, halves = [], [], []
    for seed in (0, 1):
        top = loss_column(run_folder, "covariate/scale", "averaging", "excess_risk", seed, 6, "3")
        bottom = loss_column(run_folder, "covariate/scale", "(prompts)", "zero_error", seed, 6, "3")
        ratio = top.mean() / bottom.mean()
        # the jackknife of the logarithm over prompts: what it becomes without each of them
        rows = len(top)
        left_out = np.log((top.sum() - top) / (bottom.sum() - bottom))
        error = math.sqrt((rows - 1) / rows * np.square(left_out - left_out.mean()).sum())
        errors.append(ratio * error)
        halves.append(ratio * math.expm1(student.ppf(0.975, rows - 1) * error))
        ratios.append(ratio)
    assert row["metric"] == "normalised_excess_risk"
    assert (row["statistic"], row["n_seeds"], row["n_prompts"], row["context_size"]) == ("mean", "2", "256", "6")
    assert float(row["value"]) == pytest.approx(np.mean(ratios), rel=1e-12)
    assert float(row["stderr"]) == pytest.approx(math.hypot(*errors) / 2, rel=2e-3)
    assert float(row["high"]) - float(row["value"]) == pytest.approx(math.hypot(*halves) / 2, rel=2e-3)
    zero = [
        loss_column(run_folder, "covariate/scale", "(prompts)", "zero_error", seed, 6, "3").mean() for seed in (0, 1)
    ]
    assert float(row["zero_risk"]) == pytest.approx(np.mean(zero), rel=1e-12)


def test_csv_gives_the_median_where_no_mean_exists(run_folder):
    row = table(run_folder)["length/interpolation", "0", "ols"]
    medians = []
    for seed in (0, 1):
        top = loss_column(run_folder, "length/interpolation", "ols", "excess_risk", seed, 3, "0")
        bottom = loss_column(run_folder, "length/interpolation", "(prompts)", "zero_error", seed, 3, "0")
        medians.append(np.median(top) / bottom.mean())
    assert (row["statistic"], row["context_size"], row["stderr"]) == ("median", "3", "")
    assert float(row["value"]) == pytest.approx(np.mean(medians), rel=1e-9)
    assert float(row["low"]) < float(row["value"]) < float(row["high"])


def test_csv_rows_are_every_model_at_every_point(run_folder):
    rows = table(run_folder)
    assert len(rows) == 5 * (1 + 3 + 1 + 1 + 2)
    assert [key[1] for key in rows if key[0] == "covariate/scale" and key[2] == "ols"] == ["0.5", "1", "3"]
    joint = [key[1] for key in rows if key[0].startswith("joint/") and key[2] == "ols"]
    assert joint == ["2 x 2", "2 x 10"]
    assert rows["noise/heavy_tail", "2.5", "ols"]["metric"] == "normalised_error"
    failed = rows["covariate/scale", "3", "fragile_model"]
    assert (failed["status"], failed["value"], failed["n_seeds"]) == ("error", "", "")
    assert "far" in failed["message"]


@pytest.mark.parametrize("width", [60, 80, 140])
def test_terminal_lines_fit(run_folder, width):
    written = [line.plain for line in lines(summarise(run_folder), width)]
    assert max(map(len, written)) <= width
    text = "\n".join(written)
    for expected in (
        "awkward version 3",
        "seeds 0, 1",
        "unshifted",
        "0.5",
        "1 =base",
        "med ",
        "2.5†",
        "! no better",
        "2 x 10",
    ):
        assert expected in text


def test_terminal_is_plain_off_a_terminal_and_names_failures(run_folder):
    shown = report(run_folder, "--full")
    assert shown.exit_code == 0
    assert "\x1b" not in shown.stdout
    failures = shown.stdout[shown.stdout.index("Failed and skipped") :]
    assert re.search(r"error: fragile_model: .*far out \| <b>_\{tail\}_</b> more", " ".join(failures.split()))
    assert "skipped: bayes:" in failures
    assert "cells: 72 ok, 2 skipped, 6 failed, 0 missing" in shown.stdout


def test_coverage_counts_what_the_run_counted(run_folder):
    found = summarise(run_folder)
    counted = {name: found.manifest.cells.get(name, 0) for name in ("ok", "skipped", "failed", "looked_up", "missing")}
    assert dict(found.coverage.cells) == counted


def test_terminal_survives_a_stdout_that_takes_ascii_only(run_folder):
    done = process("report", run_folder, "--full", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "+-" in done.stdout
    assert "2.5^" in done.stdout


def test_colour_when_asked_for_and_never_with_no_color(run_folder):
    assert "\x1b[32m" in report(run_folder, FORCE_COLOR="1", TERM="xterm-256color", COLUMNS="100").stdout
    assert "\x1b[3" not in report(run_folder, FORCE_COLOR="1", NO_COLOR="1", TERM="xterm-256color").stdout


def test_a_mean_that_does_not_exist_is_in_no_format(run_folder):
    for item in summarise(run_folder).points:
        shown = item.entries["ols"].shown
        assert shown is None or item.context_size != 3 or shown.kind == "median"
    document = json.loads(report(run_folder, "--format", "json").stdout)
    curve = next(curve for curve in document["curves"] if curve["scenario"] == "base")
    ols = next(line for line in curve["lines"] if line["model"] == "ols")
    assert {point["size"]: point["kind"] for point in ols["points"]}[3] == "median"


def test_json_is_strict_and_holds_everything(run_folder):
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    document = json.loads(report(run_folder, "--json").stdout, parse_constant=refuse)
    assert document["manifest"]["prompt_digests"]
    assert document["manifest"]["identities"]["noise/heavy_tail"] == "inf"
    assert len(document["scores"]) == 40
    assert any(item["model"] == "averaging" and item["severities"] == ["3"] for item in document["breakdowns"])
    assert {trouble["status"] for trouble in document["troubles"]} == {"error", "skipped"}
    two = json.loads(report(run_folder, run_folder, "--format", "json").stdout)
    assert [item["run"] for item in two] == [str(run_folder)] * 2


def test_markdown_tables_are_whole(run_folder):
    text = report(run_folder, "--format", "markdown").stdout
    blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert len(blocks) == 7  # skill, four axes, the run-level scores and the breakdowns
    for block in blocks:
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(counts) == 1
    assert "fragile\\_model" in text
    assert "| out" not in text
    assert "```text" in text


def test_latex_is_balanced_and_escaped(run_folder, tmp_path):
    text = report(run_folder, "--format", "latex").stdout
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") >= 5
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert not re.search(r"(?<!\\)[_#&](?!\s)", body.replace(" & ", " "))
    assert body.isascii()
    plain = re.sub(r"\\[{}]", "", body)
    assert plain.count("{") == plain.count("}")
    for tabular in re.findall(r"\\begin\{tabular\}\{(l r*|lr*)\}(.*?)\\end", body, flags=re.DOTALL):
        rows = [line for line in tabular[1].splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
        assert {line.count(" & ") for line in rows} == {len(tabular[0]) - 1}


def test_out_writes_a_file_and_refuses_a_missing_folder(run_folder, tmp_path):
    done = report(run_folder, "--format", "csv", "--out", tmp_path / "scores.csv")
    assert (done.exit_code, done.stdout) == (0, "")
    assert (tmp_path / "scores.csv").read_text().splitlines()[0].startswith("run,suite,")
    assert report(run_folder, "--out", tmp_path / "summary.txt").exit_code == 0
    assert "\x1b" not in (tmp_path / "summary.txt").read_text()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    refused = report(run_folder, "--out", tmp_path / "no" / "scores.csv")
    assert refused.exit_code == 2
    assert "existing folder" in refused.stderr


def test_bad_usage_says_what_to_do(run_folder, tmp_path):
    unknown = report(run_folder, "--format", "markdwn")
    assert unknown.exit_code == 2
    assert "did you mean 'markdown'" in unknown.stderr
    assert "latex" in unknown.stderr
    nothing = report(tmp_path)
    assert nothing.exit_code == 2
    assert "not a run" in nothing.stderr
    for damage in (None, b"PAR1 this is no table"):
        folder = tmp_path / f"damaged{damage is None}"
        shutil.copytree(run_folder, folder)
        (folder / "scores.parquet").unlink()
        if damage is not None:
            (folder / "scores.parquet").write_bytes(damage)
        refused = report(folder)
        assert refused.exit_code == 2
        assert "run" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_run_without_any_number_ends_with_4(run_folder, tmp_path):
    suite = (
        (run_folder.parent / "suite.toml")
        .read_text()
        .replace('use = "base"', 'use = "covariate/mean"\nseverities = [99.0]')
    )
    head, _, models = suite.partition("[[models]]")
    fragile = models[models.index('use = "./own.py') : models.index("severities = [99.0]") + 19]
    (tmp_path / "own.py").write_text(AWKWARD_MODEL)
    (tmp_path / "failing.toml").write_text(f"{head}[[models]]\n{fragile}")
    run_suite(tmp_path / "failing.toml", tmp_path / "run")
    shown = report(tmp_path / "run")
    assert shown.exit_code == 4
    assert "error: fragile_model" in shown.stdout
    assert "nothing to report" in shown.stderr


def test_a_part_of_a_suite_is_reported_as_a_part(run_folder, tmp_path):
    run_suite(run_folder.parent / "suite.toml", tmp_path / "run", models=["ols"], scenarios=["covariate/*"])
    shown = report(tmp_path / "run")
    assert shown.exit_code == 0
    assert "models of the suite that were not run: bayes, averaging, zero, fragile_model" in " ".join(
        shown.stdout.split()
    )
    assert "scenarios of the suite that were not run: base" in shown.stdout


def test_report_loads_neither_torch_nor_scikit_learn(run_folder):
    code = (
        "import sys\nfrom icl_bench.cli.main import app\n"
        "try:\n    app(['report', sys.argv[1]])\nexcept SystemExit as ended:\n    assert not ended.code\n"
        "print([name for name in ('torch', 'sklearn', 'pandas') if name in sys.modules], file=sys.stderr)"
    )
    done = process(run_folder, code=code)
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"


def statistic(value: float, half: float | None, kind: str = "mean") -> Statistic:
    low, high = (None, None) if half is None else (value - half, value + half)
    return Statistic("normalised_error", kind, value, None, low, high, low, 256, 1)


def grid_of(errors: dict[float, tuple[float, float | None]]) -> list[Point]:
    found = []
    for severity, (value, half) in errors.items():
        item = statistic(value, half)
        place = Place("covariate/scale", (severity,), False)
        found.append(Point(place, 6, "normalised_error", 1.0, 0.1, {"m": ModelEntry("m", item, None, item)}))
    return found


@pytest.mark.parametrize(
    ("errors", "identity", "severities", "estimated"),
    [
        ({0.25: (3, 0.1), 0.5: (2, 0.1), 2: (0.5, 0.1), 3: (2, 0.1)}, 1.0, ("0.5", "3"), ""),
        ({0.25: (3, 0.1), 0.5: (0.5, 0.1), 2: (0.5, 0.1)}, 1.0, ("0.25",), ""),
        ({2: (1.2, 0.5), 3: (9.0, 20.0)}, 1.0, (), "2"),
        ({2: (1.2, 0.5), 3: (9.0, 1.0)}, 1.0, ("3",), ""),
        ({1: (2.0, 0.5), 4: (9.0, 1.0)}, None, ("1",), ""),
        ({2: (0.5, 0.1)}, 1.0, (), ""),
        ({2: (9.0, None)}, 1.0, (), "2"),
    ],
)
def test_breakdown_goes_outward_on_both_sides(errors, identity, severities, estimated):
    identities = {} if identity is None else {"covariate/scale": identity}
    (found,) = breakdowns(None, grid_of(errors), ["m"], identities)
    assert (found.severities, found.estimated) == (severities, estimated)


@pytest.mark.parametrize(
    ("errors", "earliest"),
    [
        ({2: (0.5, 0.1), 3: (2, 0.1)}, ("3",)),
        ({2: (0.8, 0.3), 3: (2, 0.1)}, ("2",)),  # the interval at 2 reaches beyond 1
        ({2: (1.2, 0.3), 3: (2, 0.1)}, ("2",)),
        ({2: (0.5, None), 3: (2, 0.1)}, ("2",)),  # nothing is known at 2
        ({0.25: (3, 0.1), 0.5: (0.95, 0.1), 2: (0.5, 0.1), 3: (2, 0.1)}, ("0.5", "3")),
        ({2: (0.8, 0.3), 3: (0.9, 0.3)}, ()),
    ],
)
def test_a_breakdown_begins_where_the_interval_leaves_it_open(errors, earliest):
    (found,) = breakdowns(None, grid_of(errors), ["m"], {"covariate/scale": 1.0})
    assert found.earliest == earliest


def test_answers_that_are_not_finite_are_a_breakdown():
    near, far = grid_of({2: (0.5, 0.1), 3: (0.5, 0.1)})
    far = replace(far, entries={"m": ModelEntry("m", None, Absent("nan", "answers are not finite"), None)})
    (found,) = breakdowns(None, [near, far], ["m"], {"covariate/scale": 1.0})
    assert found.severities == ("3",)
    failed = replace(far, entries={"m": ModelEntry("m", None, Absent("error", "raised"), None)})
    (unknown,) = breakdowns(None, [near, failed], ["m"], {"covariate/scale": 1.0})
    assert unknown.severities == ()


def test_breakdown_of_a_model_that_never_beats_zero_is_told_apart():
    base = grid_of({1: (1.0, 0.0)})[0]
    (found,) = breakdowns(base, grid_of({2: (2.0, 0.1)}), ["m"], {"covariate/scale": 1.0})
    assert found.unshifted


@pytest.mark.parametrize(("tail_index", "expected"), [(1.5, 0.7), (9.0, None)])
def test_a_heavy_tail_is_judged_by_its_median_and_a_single_draw_not_at_all(tail_index, expected):
    none = dict.fromkeys(("stderr", "ci_low", "ci_high"))
    row = {**none, "mean": 1.2, "median": 1.0, "median_low": 0.7, "tail_index": tail_index, "n_prompts": 10}
    found = combined("normalised_error", [row])
    assert isinstance(found, Statistic)
    assert (found.low, found.median_low) == (None, expected)
    assert ModelEntry("m", found, None, found).broken is (None if expected is None else False)


def test_seeds_combine_as_independent_means():
    same = {"stderr": 0.3, "median": 1.0, "median_low": 0.7, "tail_index": 9.0, "n_prompts": 10}
    rows = [{**same, "mean": value, "ci_low": value - 0.6, "ci_high": value + 0.6} for value in (1.0, 2.0, 6.0)]
    found = combined("squared_error", rows)
    assert isinstance(found, Statistic)
    assert (found.value, found.n_seeds) == (3.0, 3)
    assert found.stderr == pytest.approx(math.sqrt(3 * 0.3**2) / 3)
    assert found.half_width == pytest.approx(math.sqrt(3 * 0.6**2) / 3)


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (0.3734, 0.0123, "0.373 ±0.012"),
        (12.34, 0.5, "12.3 ±0.5"),
        (0.58, 0.0003, "0.580 ±3e-4"),
        (1.523e9, 2.1e8, "1.52e9 ±2e8"),
        (0.00301, 0.0005, "3.01e-3 ±5e-4"),
        (0.0, 0.0, "0"),
        (1.0, 0.0, "1.00"),
        (0.5, None, "0.500 ±?"),
        (1e-31, 1e-32, "<1e-12"),
        (4115.0, 1365.0, "4115 ±1365"),
    ],
)
def test_numbers_have_three_digits(value, half, text):
    assert with_half_width(value, half) == text


def test_short_numbers_name_what_is_not_finite():
    assert short(math.inf) == "inf"


def test_chart_marks_means_medians_and_the_edge():
    line = Line("m", (CurvePoint(0, 1.0, "mean"), CurvePoint(3, 0.5, "median"), CurvePoint(6, 1e-9, "mean")))
    bayes = Line(None, (CurvePoint(0, 1.0, "mean"), CurvePoint(6, 0.01, "mean")))
    chart = draw(Curve("base", "", (bayes, line)), 60)
    text = ["".join(mark.text for mark in row) for row in chart.rows]
    assert max(map(len, text)) <= 60
    assert chart.letters == ("*", "A")
    assert any("a" in row for row in text)
    assert "A" in text[-3]  # far below the scale: at its lower edge
    assert any("edge" in note for note in chart.notes)
    assert any("small letters" in note for note in chart.notes)
