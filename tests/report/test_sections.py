"""Sections of a report: every one in every format whatever names and messages hold, and one more costs one file."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from benchmarks.html_report import Size, write_run
from icl_bench import run_suite
from icl_bench.cli.main import app
from icl_bench.formatting import printable
from icl_bench.rendering.escaping import markdown
from icl_bench.report import sections
from icl_bench.report.section_catalogue import all_sections, contents, section_names
from icl_bench.scores.summary import Summary, summarise
from tests.command import ROOT

SUITE = """
[suite]
name = "everything"
version = 1
[prompts]
n_dims = 3
context_sizes = [3, 6]
noise_std = 0.5
n_prompts = 256
[training]
n_context = 6
[[models]]
use = "bayes"
[[models]]
use = "averaging"
[[models]]
use = "./own.py:Failing"
name = "failing"
[[scenarios]]
use = "base"
[[scenarios]]
use = "covariate/scale"
severities = [3.0]
[[scenarios]]
use = "noise/variance"
severities = [0.05]
[[scenarios]]
product = [{use = "covariate/scale", severities = [3.0]}, {use = "noise/variance", severities = [0.05]}]
[metrics]
use = ["squared_error", "normalised_error", "excess_risk", "bayes_risk", "zero_error", "agreement:bayes_train"]
"""
OWN = """
class Failing:
    def predict(self, prompts):
        raise ValueError("far \\x1b[31m | out \\\\ `<b>` @team _{tail}_ ``` & \\n# more")
"""
HOSTILE = ("a|b`c`", "<b>@team</b> &amp;", "=A1+\x1b]0;t\x07", "\x1b[31mred\\", "\n# head\n```\n", "*_~$#{}[x](y)")
ALWAYS = ("headline", "scores", "breakdowns", "agreement", "gap", "interaction", "curves", "failures")
TOY = '''"""How many models there are."""

from icl_bench.rendering.table import Cell, Column, by_column
from icl_bench.report.section import Content, Section


def content(summary):
    cells = [Cell(f"toy-{model}") for model in summary.models]
    table = by_column([(Column("toy-head"), cells)], summary.models, summary.models)
    return Content("A toy section", tables=(table,), notes=("toy-note",))


def records(summary):
    return ({"model": model, "toys": 7} for model in summary.models)


SECTION = Section(order=25, content=content, records=records)
'''


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("everything")
    (folder / "own.py").write_text(OWN)
    (folder / "everything.toml").write_text(SUITE)
    return run_suite(folder / "everything.toml", folder / "run").path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "run"
    write_run(folder, Size(models=0, scenarios=3, severities=2, contexts=3), names=HOSTILE)
    return folder


@pytest.fixture(scope="module")
def summary(everything: Path) -> Summary:
    return summarise(everything)


def report(*arguments: object) -> str:
    done = CliRunner(env={"COLUMNS": "100"}).invoke(app, ["report", *map(str, arguments)])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_the_sections_are_the_files_of_the_folder_in_their_order() -> None:
    assert tuple(name for name in all_sections() if name in ALWAYS) == ALWAYS
    files = sorted(path.stem for path in Path(sections.__file__).parent.glob("[!_]*.py"))
    assert section_names() == tuple(files) == tuple(sorted(all_sections()))
    assert len({section.order for section in all_sections().values()}) == len(files)


def test_a_run_with_everything_in_it_has_every_section(summary: Summary) -> None:
    assert tuple(name for name, _ in contents(summary) if name in ALWAYS) == ALWAYS


@pytest.mark.parametrize("name", all_sections())
def test_every_section_is_in_every_format(everything: Path, summary: Summary, name: str) -> None:
    content = dict(contents(summary)).get(name)
    if content is None:
        assert name not in ALWAYS
        return
    plain = " ".join(report(everything, "--full").split())
    text = report(everything, "--format", "markdown")
    latex = report(everything, "--format", "latex")
    for said in (content.title, *content.lead, *content.notes):
        assert " ".join(printable(said).split()) in plain
        assert markdown(said) in text
    for table in content.tables:
        heads = [f"{column.group} {column.title}".strip() for column in table.columns]
        assert f"| {' | '.join(['', *map(markdown, heads)])} |" in text
        for row in table.rows:
            whole = [*row.labels, *(cell.text for cell in row.cells)]
            assert f"| {' | '.join(map(markdown, whole))} |" in text
    assert latex.count(r"\begin{tabular}") >= sum(len(each.tables) for _, each in contents(summary))
    rows = list(csv.DictReader(io.StringIO(report(everything, "--format", "csv", "--table", name))))
    assert len(rows) == len(list(all_sections()[name].records(summary))) > 0
    assert {row["run"] for row in rows} == {str(everything)}


def test_json_keeps_its_keys(everything: Path) -> None:
    assert list(json.loads(report(everything, "--json"))) == [
        "run",
        "manifest",
        "coverage",
        "absent_columns",
        "skill",
        "metric",
        "scores",
        "run_scores",
        "breakdowns",
        "agreement",
        "curves",
        "troubles",
    ]


@pytest.mark.parametrize("arguments", [[], ["--format", "markdown"], ["--format", "latex"], ["--format", "csv"]])
def test_no_format_prints_what_steers_a_terminal(everything: Path, hostile: Path, arguments: list[str]) -> None:
    for folder in (everything, hostile):
        assert all(line.isprintable() for line in report(folder, *arguments).split("\n"))


@pytest.mark.parametrize("name", ALWAYS)
def test_no_csv_prints_what_steers_a_terminal(everything: Path, hostile: Path, name: str) -> None:
    for folder in (everything, hostile):
        assert all(line.isprintable() for line in report(folder, "--format", "csv", "--table", name).split("\n"))


def test_hostile_names_are_only_text_in_markdown(hostile: Path) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(report(hostile, "--format", "markdown"))
    inner = [child.type for token in tokens for child in token.children or []]
    assert set(inner) <= {"text", "text_special", "softbreak"}
    assert {token.type for token in tokens if token.type.startswith("html")} == set()
    heads = [token.tag for token in tokens if token.type == "heading_open"]
    assert heads.count("h1") == 1
    cells = {"".join(child.content for child in token.children or []) for token in tokens if token.type == "inline"}
    assert {printable(name) for name in HOSTILE} <= cells


def test_hostile_names_are_only_text_in_latex(hostile: Path) -> None:
    body = "\n".join(line for line in report(hostile, "--format", "latex").splitlines() if not line.startswith("%"))
    plain = re.sub(r"\\[{}]", "", body)
    assert plain.count("{") == plain.count("}")
    assert set(re.findall(r"\\([a-z]+)", body)) <= {
        *(
            "begin",
            "end",
            "centering",
            "small",
            "toprule",
            "midrule",
            "bottomrule",
            "cmidrule",
            "multicolumn",
            "caption",
        ),
        *("textbackslash", "textasciitilde", "textasciicircum", "dots", "pm", "dagger", "cdot"),
    }
    for shape, inside in re.findall(r"\\begin\{tabular\}\{([lr]+)\}\n(.*?)\\end\{tabular\}", body, re.DOTALL):
        rows = [line for line in inside.splitlines() if line.endswith(r" \\") and "multicolumn" not in line]
        assert {len(re.findall(r"(?<!\\)&", line)) for line in rows} == {len(shape) - 1}


def test_one_more_section_costs_one_file(everything: Path, tmp_path: Path) -> None:
    """A file in a copy of the package: in every format, in csv, in the help and in the check of `--table`."""
    ignored = shutil.ignore_patterns("__pycache__", "zoo")
    shutil.copytree(ROOT / "icl_bench", tmp_path / "icl_bench", ignore=ignored)
    (tmp_path / "icl_bench" / "report" / "sections" / "toys.py").write_text(TOY)
    code = (
        "import json, sys\n"
        "from typer.testing import CliRunner\n"
        "from icl_bench.cli.main import app\n"
        "asked = json.loads(sys.argv[1])\n"
        "done = [CliRunner(env={'COLUMNS': '100'}).invoke(app, ['report', *each]) for each in asked]\n"
        "print(json.dumps([each.output for each in done]))"
    )
    run = str(everything)
    asked = [
        [run, "--full"],
        *([run, "--format", name] for name in ("markdown", "latex", "html", "json")),
        [run, "--format", "csv", "--table", "toys"],
        [run, "--format", "csv", "--table", "toy"],
        ["--help"],
    ]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(asked)],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
        cwd=tmp_path,
    )
    terminal, text, latex, page, document, table, refused, usage = json.loads(done.stdout)
    for shown in (terminal, text, latex, page):
        assert "A toy section" in shown
        assert "toy-averaging" in shown
        assert "toy-note" in shown
    assert terminal.index("Run-level scores") < terminal.index("A toy section") < terminal.index("Breakdown: first")
    names = ("bayes", "averaging", "failing")
    assert json.loads(document)["toys"] == [{"model": name, "toys": 7} for name in names]
    assert table.splitlines() == ["run,model,toys", *(f"{run},{name},7" for name in names)]
    assert "did you mean 'toys'" in refused
    assert "toys" in usage
