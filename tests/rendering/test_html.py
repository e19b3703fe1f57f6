"""Pages: whatever a template is given is text, and a page of another package stands on the same base."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateAssertionError, UndefinedError

from benchmarks.html_report import Size, write_run
from icl_bench.formatting import plain
from icl_bench.rendering import html
from icl_bench.rendering.table import Cell, Column, Row, Table
from icl_bench.report.page import assets
from icl_bench.report.page.headline import NamedRun, score_table
from icl_bench.report.page.page import render
from icl_bench.scores.records import RunScore
from icl_bench.scores.summary import summarise
from tests.command import ROOT

NASTY = ["</script><img src=x onerror=alert(1)>", "{{ 7*7 }}", "{% raw %}", '"', "'", "<", "&amp;", "\x00", "\x1b[31m"]
NASTY += ["\x1b]0;title\x07", "\n", "\u202e", "]]>", "<!--", "\ud800"]
texts = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=5)), max_size=6).map("".join)
HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "{{ 7*7 }}",
    'a" onmouseover="alert(2)',
    "nul\x00esc\x1b[31mred\x1b[0m",
)


class Read(HTMLParser):
    """Tags, attributes and texts as a browser reads them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def written(source: str, **given: object) -> str:
    return html.environment(assets.PACKAGE).from_string(source).render(given)


@given(texts)
def test_a_text_is_only_text_wherever_it_stands(text: str) -> None:
    read = Read(written('<p title="{{ text }}">{{ text }}</p>', text=text))
    assert read.tags == ["p"]
    assert read.attributes == [("title", plain(text))]
    assert "".join(read.texts) == plain(text)
    assert plain(text) == "" or plain(text).isprintable()


@given(st.lists(texts, min_size=9, max_size=9))
def test_a_table_has_its_cells_and_nothing_else(given: list[str]) -> None:
    title, group, head, label, text, aside, interval, note, meaning = given
    cell = Cell(text.replace("\n", " "), "near_bayes", 1.5, (aside, interval), note)
    table = Table((Column(head, group),), (Row((label, label), (cell,), 3),), (label, label), title)
    source = '{% from "macros.html" import table %}{{ table(shown, meaning, sortable=true, label="x") }}'
    read = Read(written(source, shown=table, meaning=meaning))
    allowed = {"div", "table", "caption", "b", "thead", "tbody", "tr", "th", "td", "span", "sup", "ol", "li"}
    assert set(read.tags) <= allowed
    names = {"class", "tabindex", "role", "aria-label", "scope", "rowspan", "colspan", "data-m", "data-v"}
    assert {name for name, _ in read.attributes} <= names
    assert plain(cell.text).strip() in "".join(read.texts)


def test_what_is_no_text_is_refused() -> None:
    for value in (None, 0.1, ["a"], True):
        with pytest.raises(TypeError, match="a template writes text and whole numbers"):
            written("{{ value }}", value=value)
    with pytest.raises(UndefinedError):
        written("{{ misspelt }}")
    assert written("{{ 3 }}") == "3"


@pytest.mark.parametrize("name", ["safe", "e", "escape", "forceescape"])
def test_no_template_can_call_a_text_markup(name: str) -> None:
    with pytest.raises(TemplateAssertionError, match="No filter named"):
        written(f"{{{{ text|{name} }}}}", text="<b>")


def test_templates_leave_autoescape_on_and_quote_every_attribute() -> None:
    files = [*ROOT.glob("icl_bench/**/templates/**/*.html")]
    assert len(files) > 5
    for file in files:
        source = file.read_text()
        assert "autoescape" not in source, file
        assert not re.search(r"=\s*\{\{", source), file
        assert not re.search(r"(?:href|src)=\"\{\{", source), file


def test_notes_are_numbered_once_in_the_order_of_reading() -> None:
    rows = (
        Row(("a",), (Cell("1", note="late"), Cell("2"))),
        Row(("b",), (Cell("3", note="early"), Cell("4", note="late"))),
    )
    table = Table((Column("x"), Column("y")), rows)
    assert html.remarks(table) == {"late": 1, "early": 2}


@pytest.fixture
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "own_board" / "templates"
    folder.mkdir(parents=True)
    (tmp_path / "own_board" / "__init__.py").write_text("")
    (folder / "board.html").write_text(
        '{% extends "base.html" %}{% block kind %}a board{% endblock %}'
        '{% block contents %}<li><a href="#main">all</a></li>{% endblock %}'
        '{% block main %}{% from "macros.html" import items %}{{ items(lines) }}{% endblock %}'
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "own_board"


def test_a_page_of_another_package_stands_on_the_same_base(own_package: str) -> None:
    script = html.script([html.read(name) for name in html.SCRIPTS])
    page = html.render(
        own_package, "board.html", style=html.read("page.css"), script=script, title="<i>b", lines=["<b>one"]
    )
    assert f"script-src '{html.script_hash(script)}'; style-src" in page
    assert "<title>&lt;i&gt;b - icl-bench</title>" in page
    assert "<ul><li>&lt;b&gt;one</li></ul>" in page
    assert 'id="theme"' in page


def test_hostile_runs_put_nothing_but_text_on_the_page(tmp_path: Path) -> None:
    write_run(tmp_path / "run", Size(3, 2, 2, 3), names=HOSTILE)
    summary = summarise(tmp_path / "run")
    manifest = replace(
        summary.manifest, suite_text="a = 1\n  b = '</pre><img src=x>'\x1b[31m\x00\n", command=HOSTILE[0]
    )
    page = render([replace(summary, manifest=manifest)])
    read = Read(page)
    assert not {"img", "svg"} & set(read.tags)
    assert not {name for name, _ in read.attributes if name.startswith("on")}
    assert "\x00" not in page
    assert "\x1b" not in page
    for name in HOSTILE:
        assert plain(name) in read.texts
    assert "  b = '</pre><img src=x>' \n" in "".join(read.texts)  # lines and indents as in the file


def test_heads_stand_over_their_own_numbers_where_runs_have_different_scenarios(tmp_path: Path) -> None:
    runs = []
    for number, scenarios in enumerate((("covariate/a", "noise/b"), ("covariate/c",))):
        write_run(tmp_path / str(number), Size(1, 1, 1, 3))
        summary = summarise(tmp_path / str(number))
        scores = tuple(scored(summary.models[0], name, value) for value, name in enumerate(scenarios, 1 + 10 * number))
        summary = replace(summary, run_scores=replace(summary.run_scores, scores=scores))
        runs.append(NamedRun(f"run {number}", summary, number, alone=False))
    shown = score_table(runs, "sdr", "scenario")
    assert shown is not None
    assert [(column.group, column.title) for column in shown.table.columns] == [
        ("covariate", "a"),
        ("covariate", "c"),
        ("noise", "b"),
    ]
    assert [[cell.key for cell in row.cells] for row in shown.table.rows] == [[1, None, 2], [None, 11, None]]


def scored(model: str, scenario: str, value: float) -> RunScore:
    given = dict.fromkeys(RunScore.__dataclass_fields__)
    given |= {"name": "sdr", "model": model, "scope": "scenario", "scenario": scenario, "severity_label": ""}
    return RunScore(**{**given, "value": value, "n_points": 1, "n_possible": 1, "message": ""})  # type: ignore[arg-type]


@pytest.mark.parametrize("arguments", [["--help"], ["list"]])
def test_commands_that_write_no_page_do_not_load_the_templates(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom icl_bench.cli.main import app\n"
        f"try: app({arguments!r})\nexcept SystemExit: pass\n"
        "sys.exit('jinja2 was loaded' if 'jinja2' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
