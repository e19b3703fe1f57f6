"""The HTML report in a real browser: it asks for nothing, runs nothing foreign, and follows its controls."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.html_report import Size, write_run
from icl_bench import run_suite
from icl_bench.errors import UsageError
from icl_bench.rendering.looks import COLOURS
from icl_bench.report.page import assets
from icl_bench.report.page.packing import REACH_STEPS, VALUE_STEPS, ZERO_CODE, packed
from icl_bench.report.page.page import render
from icl_bench.report.page.risks import Interval, read_risks
from icl_bench.report.records import render_json
from icl_bench.scores.rows import ScoreRows, Statistic
from icl_bench.scores.summary import Summary, summarise
from icl_bench.tables.score_table import read_score_rows
from tests.browser import Browser, Page, find_chromium
from tests.command import PATIENCE
from tests.small_suites import suite_text
from tests.stored_runs import FRAGILE, PAGES, PAGES_MODEL, suite_run

HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "<b onmouseover=alert(2)>bold</b> %{x} &amp;",
    "=HYPERLINK(\"http://example.invalid\",'x')",
    '"><svg onload=alert(3)>',
    "$\\alpha$ <a href='javascript:alert(4)'>a</a>",
)
READY = "window.iclBench && window.iclBench.ready"


@pytest.fixture(scope="session")
def run_folder(pages_run: Path) -> Path:
    return pages_run


@pytest.fixture(scope="module")
def summary(run_folder: Path) -> Summary:
    return summarise(run_folder)


@pytest.fixture(scope="module")
def page_file(summary: Summary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("page"), summary)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        if os.environ.get("ICL_BENCH_REQUIRE_BROWSER") == "1":
            pytest.fail("ICL_BENCH_REQUIRE_BROWSER=1, and no chromium is on the PATH")
        pytest.skip("no chromium is on the PATH: the page is not tried in a browser")
    with Browser(path) as started:
        yield started


def written(folder: Path, *summaries: Summary) -> Path:
    path = folder / "page.html"
    path.write_text(render(summaries), encoding="utf-8")
    return path


def synthetic(folder: Path, **shape: object) -> Summary:
    size = replace(Size(3, 2, 2, 4), **{name: value for name, value in shape.items() if name != "names"})
    write_run(folder, size, names=shape.get("names", ()))
    return summarise(folder)


def squared_errors(summary: Summary) -> ScoreRows:
    return ScoreRows(read_score_rows(Path(summary.folder) / "scores.parquet", ["squared_error"]))


def assert_undisturbed(page: Page) -> None:
    """No request beyond the page itself, no dialog, no error, nothing that the page's policy refused."""
    addresses = [event["request"]["url"] for event in page.events("Network.requestWillBeSent")]
    assert [address for address in addresses if not address.startswith(("data:", "blob:"))] == addresses[:1]
    assert addresses[0].startswith("file:")
    assert page.events("Page.javascriptDialogOpening") == []
    assert page.events("Runtime.exceptionThrown") == []
    assert page.events("Log.entryAdded") == []


def shown_rows(page: Page, section: str) -> list[str]:
    return page.value(
        f"[...document.querySelectorAll('#{section} table tbody tr')].filter((row) => !row.hidden)"
        ".map((row) => row.cells[0].textContent)"
    )


def lines_drawn(page: Page, plot: str) -> int:
    return page.value(number_of_lines(plot))


def number_of_lines(plot: str) -> str:
    return f"document.querySelectorAll('#{plot} .scatterlayer .js-line').length"


def drawn(plot: str, lines: int) -> str:
    return f"{number_of_lines(plot)} === {lines}"


def draw_all(page: Page) -> None:
    page.value("document.getElementById('all-models').click()")


def choose(page: Page, identifier: str, value: str) -> None:
    page.value(
        f"(() => {{ const select = document.getElementById('{identifier}'); select.value = '{value}';"
        " select.dispatchEvent(new Event('change')); })()"
    )


# What the page holds before any script


def test_page_asks_for_nothing_and_names_what_may_run(page_file):
    text = page_file.read_text()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    assert "connect-src" not in policy
    linked = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert all(address.startswith("#") or address == "data:," for address in linked)


def test_tables_read_without_a_script(page_file, summary):
    text = page_file.read_text()
    [score] = [
        score
        for score in summary.run_scores.scores
        if (score.name, score.model, score.scope, score.scenario) == ("sdr", "averaging", "axis", "covariate")
    ]
    assert f'data-v="{score.value:.6g}"' in text
    for expected in ("SDR", "AUSC", "Breakdown severity", "Frozen-prior gap", "Interaction of joint shifts"):
        assert f"<b>{expected}" in text
    assert f"kappa = 0.250 ({summary.run_scores.kappa_source})" in text
    assert summary.manifest.run_digest in text
    assert "&lt;img src=x onerror=alert(1)&gt; &amp; more" in text
    assert "<img" not in text


def test_the_same_run_gives_the_same_page(page_file, summary):
    assert render([summary]) == page_file.read_text()


def test_without_plotly_the_remedy_is_named(monkeypatch, summary):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assets.packed_plotly.cache_clear()
    with pytest.raises(UsageError, match="pip install plotly"):
        render([summary])


def test_a_library_in_another_wrapper_stays_as_it_is():
    assert assets.unwrapped("var Plotly = {};") == "var Plotly = {};"


def test_curves_are_what_summaries_combine(summary):
    rows, risks = squared_errors(summary), read_risks(summary)
    for number, point in enumerate(summary.points):
        for column, model in enumerate(summary.models):
            for position, size in enumerate(risks.sizes):
                expected = rows.get(point.place, model, "squared_error", size)
                value, low = risks.models.value[number, column, position], risks.models.low[number, column, position]
                if isinstance(expected, Statistic):
                    assert value == pytest.approx(expected.value, rel=1e-12)
                    assert low == pytest.approx(np.nan if expected.low is None else expected.low, nan_ok=True, rel=1e-9)
                    assert risks.models.median[number, column, position] == (expected.kind == "median")
                else:
                    assert np.isnan(value)


@given(
    st.lists(
        st.tuples(
            st.none() | st.just(0.0) | st.floats(1e-12, 1e15), st.floats(0.0, 3.0) | st.none(), st.floats(0.0, 3.0)
        ),
        min_size=1,
        max_size=8,
    )
)
def test_packed_curves_keep_three_digits(points):
    value = np.array([np.nan if value is None else value for value, _, _ in points])
    low = np.array(
        [np.nan if down is None else value - value * down for value, (_, down, _) in zip(value, points, strict=True)]
    )
    high = np.array([number + number * up for number, (_, _, up) in zip(value, points, strict=True)])
    shape = (1, 1, len(points))
    curve = Interval(value.reshape(shape), low.reshape(shape), high.reshape(shape), np.zeros(shape, dtype=bool))
    found = packed(curve, tuple(range(len(points))))
    kept = [index for index in range(len(points)) if not np.isnan(value[index])]
    assert found["sizes"] == [kept]
    codes = np.cumsum(found["value"][0][0])
    decoded = np.where(codes <= ZERO_CODE, 0.0, 10.0 ** (codes / VALUE_STEPS))
    np.testing.assert_allclose(decoded, value[kept], rtol=6e-4)
    code = 0
    for index, step in zip(kept, found["down"][0][0], strict=True):
        assert (step is None) == np.isnan(low[index])
        if step is not None:
            code += step
            reach = value[index] - low[index]
            if reach > 1e-6 * value[index]:
                assert value[index] * 10.0 ** (code / REACH_STEPS) == pytest.approx(reach, rel=0.025)


# In a browser


def test_opens_without_a_request_and_draws_every_plot(browser, page_file, summary):
    with browser.page(page_file) as page:
        page.wait(READY)
        for plot in ("severity-plot", "size-plot", "map-plot"):
            page.seen(plot)
        learners_and_references = 1 + 1  # the trained model and Bayes; the suite has no `zero`
        assert lines_drawn(page, "severity-plot") == learners_and_references
        draw_all(page)
        page.wait(drawn("severity-plot", len(summary.models)))
        choose(page, "severity-metric", "risk")  # of predicting zero is known without a model that does
        page.wait(drawn("severity-plot", len(summary.models) + 1))
        page.wait(drawn("size-plot", len(summary.models) + 1))
        texts = page.value("[...document.querySelectorAll('#map-plot .ytick text')].map((text) => text.textContent)")
        ranked = page.value("[...document.querySelectorAll('.scoreboard .name')].map((name) => name.textContent)")
        assert sorted(texts) == sorted(summary.models)
        assert [name for name in texts if not name.startswith("bayes")] == ranked[:3]
        assert page.value("document.querySelectorAll('#map-plot .scatterlayer .point').length") > 0
        assert_undisturbed(page)


def test_a_model_toggle_changes_plots_and_tables(browser, page_file, summary):
    with browser.page(page_file) as page:
        page.wait(READY)
        page.seen("severity-plot")
        draw_all(page)
        before = shown_rows(page, "headline")
        page.value("document.querySelector('#model-list input[data-m=\"2\"]').click()")
        after = shown_rows(page, "headline")
        assert "ols" in before
        assert after == [name for name in before if name != "ols"]
        page.wait(drawn("severity-plot", len(summary.models) - 1))
        assert "ols" not in shown_rows(page, "resemblance")
        page.value("document.getElementById('no-models').click()")
        assert shown_rows(page, "headline") == []
        page.value("document.getElementById('all-models').click()")
        assert shown_rows(page, "headline") == before


def test_hover_says_the_value_and_its_interval(browser, page_file, summary):
    with browser.page(page_file) as page:
        page.wait(READY)
        page.seen("severity-plot")
        draw_all(page)
        choose(page, "severity-metric", "risk")
        texts = page.value("document.getElementById('severity-plot').data.flatMap((trace) => trace.text ?? [])")
        [said] = [text for text in texts if text.startswith("averaging<br>covariate/scale 2")]
        numbers = [float(number) for number in re.findall(r"[\d.]+", said.rpartition("<br>")[2])]
        rows = squared_errors(summary)
        [point] = [p for p in summary.points if (p.place.scenario, p.place.label) == ("covariate/scale", "2")]
        expected = rows.get(point.place, "averaging", "squared_error", 6)
        assert isinstance(expected, Statistic)
        assert numbers == pytest.approx([expected.value, expected.low, expected.high], rel=6e-3)
        assert any("unshifted" in text for text in texts)


def test_sorting_puts_what_has_no_number_last(browser, page_file):
    with browser.page(page_file) as page:
        page.wait(READY)
        keys = "[...document.querySelector('#headline table').tBodies[0].rows].map((row) => row.cells[1].dataset.v)"
        button = "document.querySelector('#headline table thead th:nth-child(2) button')"
        for direction, sign in (("ascending", 1), ("descending", -1)):
            page.value(f"{button}.click()")
            found = page.value(keys)
            numbers = [float(key) for key in found if key is not None]
            assert numbers == sorted(numbers, key=lambda number: sign * number)
            assert all(key is None for key in found[len(numbers) :])
            assert page.value(f"{button}.parentElement.getAttribute('aria-sort')") == direction


def test_the_keyboard_reaches_the_controls(browser, page_file):
    with browser.page(page_file) as page:
        page.wait(READY)
        reached = []
        for _ in range(22):
            page.press("Tab")
            reached.append(page.value("document.activeElement.id || document.activeElement.tagName.toLowerCase()"))
            if page.value("document.activeElement.dataset.m === '0'"):
                break
        assert reached[0] == "a"
        assert {"theme", "all-models", "no-models"} <= set(reached)
        assert page.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.press("Space")
        assert page.value("document.activeElement.checked") is False
        assert "bayes" not in shown_rows(page, "headline")
        unnamed = page.value(
            "[...document.querySelectorAll('select, input, button')].filter((control) => !control.labels?.length"
            " && !control.textContent && !control.getAttribute('aria-label')).length"
        )
        assert unnamed == 0


def test_dark_as_the_system_prefers_and_as_the_button_says(browser, page_file):
    paper = "getComputedStyle(document.body).backgroundColor"
    with browser.page(page_file, dark=True) as page:
        page.wait(READY)
        assert page.value(paper) == "rgb(20, 23, 26)"
        page.seen("severity-plot")
        dark = page.value("document.getElementById('severity-plot').layout.font.color")
        page.value("document.getElementById('theme').click()")
        assert page.value(paper) == "rgb(255, 255, 255)"
        page.wait(f"document.getElementById('severity-plot').layout.font.color !== '{dark}'")


def contrast(one: str, other: str) -> float:
    """WCAG 2.1 contrast ratio of two colours `#rrggbb`."""

    def luminance(color: str) -> float:
        parts = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_texts_have_the_contrast_of_wcag_aa():
    for block in re.findall(r"\{([^{}]*--paper:[^{}]*)\}", assets.read("page.css")):
        colors = dict(re.findall(r"--([\w-]+):\s*(#\w{6})", block))
        for ink in ("ink", "quiet", "link"):
            for ground in ("paper", "panel"):
                assert contrast(colors[ink], colors[ground]) >= 4.5
        for ground in ("near", "zero", "none"):
            assert contrast(colors["ink"], colors[ground]) >= 4.5
            assert contrast(colors["quiet"], colors[ground]) >= 4.5
        for number in range(COLOURS):
            assert contrast(colors[f"line-{number}"], colors["paper"]) >= 3.0


def test_a_narrow_screen_does_not_scroll_sideways(browser, page_file):
    with browser.page(page_file, width=390, height=844) as page:
        page.wait(READY)
        for plot in ("severity-plot", "size-plot", "map-plot"):
            page.seen(plot)
        page.value("for (const fold of document.querySelectorAll('details')) fold.open = true")
        assert page.value("document.documentElement.scrollWidth") == 390


def test_prints_black_on_white_with_plots_and_heads_and_without_controls(browser, page_file, tmp_path):
    with browser.page(page_file, dark=True) as page:
        page.wait(READY)
        page.value("document.getElementById('models').open = false")
        page.wait("window.iclBench.prepared")  # when the page has had nothing else to do
        # what paper gets is what stands when the page's own beforeprint is done
        drawn = (
            "[...document.querySelectorAll('.plot')].map((plot) => plot.querySelectorAll('.scatter, .hm').length)"
            ".concat(document.getElementById('models').open)"
        )
        page.value(f"addEventListener('beforeprint', () => {{ window.printed = {drawn}; }})")
        page.pdf(tmp_path / "page.pdf")
        assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
        assert all(page.wait("window.printed"))
        assert page.value("document.getElementById('models').open") is False
        page.media(dark=True, medium="print")
        assert page.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.value("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        visible = "((box) => box.width * box.height > 0)(document.querySelector('{}').getBoundingClientRect())"
        assert page.value(visible.format("#headline thead th button"))
        for control in ("#theme", "#all-models", "#severity-scenario", "nav"):
            assert not page.value(visible.format(control))
        overflows = "[...document.querySelectorAll('.box')].map((box) => getComputedStyle(box).overflow)"
        assert set(page.value(overflows)) == {"visible"}


def assert_curves(text: str, summary: Summary) -> None:
    rows = squared_errors(summary)
    places = {(point.place.scenario, point.place.label): point.place for point in summary.points}
    curves = [row for row in csv.DictReader(io.StringIO(text)) if not row["model"].startswith("(")]
    assert len(curves) > 50
    for row in curves:
        place = places[row["scenario"], row["severity_label"]]
        statistic = rows.get(place, row["model"], "squared_error", int(row["context_size"]))
        assert isinstance(statistic, Statistic)
        assert float(row["value"]) == pytest.approx(statistic.value, rel=6e-3)


def test_downloads_hold_the_numbers_of_the_json_report(browser, page_file, summary, tmp_path):
    with browser.page(page_file) as page:
        page.wait(READY)
        browser.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        for name in ("headline", "scores", "curves", "json"):
            page.value(f"document.getElementById('download-{name}').click()")
        names = [f"pages-{ending}" for ending in ("run-scores.csv", "scores.csv", "curves.csv", "report.json")]
        until = time.monotonic() + PATIENCE
        while not all((tmp_path / name).exists() for name in names) and time.monotonic() < until:
            time.sleep(0.02)
        texts = [(tmp_path / name).read_text() for name in names]
        assert_undisturbed(page)
    expected = json.loads(render_json([summary]))
    found = list(csv.DictReader(io.StringIO(texts[1])))
    assert len(found) == len(expected["scores"])
    for row, record in zip(found, expected["scores"], strict=True):
        assert (row["model"], row["scenario"], row["message"]) == (
            record["model"],
            record["scenario"],
            record["message"],
        )
        for field in ("value", "stderr", "low", "high", "normalised_error", "bayes_risk"):
            if record[field] is None:
                assert row[field] == ""
            else:
                assert float(row[field]) == pytest.approx(record[field], rel=1e-4)
    scores = [row for row in csv.DictReader(io.StringIO(texts[0])) if row["score"] != "breakdown"]
    assert len(scores) == len(summary.run_scores.scores)
    for row, score in zip(scores, summary.run_scores.scores, strict=True):
        assert (
            row["value"] == "" if score.value is None else float(row["value"]) == pytest.approx(score.value, rel=1e-4)
        )
    assert_curves(texts[2], summary)
    everything = json.loads(texts[3])
    assert everything["manifest"] == expected["manifest"]
    assert everything["breakdowns"] == expected["breakdowns"]


def test_hostile_names_are_only_text(browser, tmp_path):
    page_file = written(tmp_path, synthetic(tmp_path / "run", names=HOSTILE))
    text = page_file.read_text()
    assert "<img" not in text
    assert "<svg" not in text
    with browser.page(page_file) as page:
        page.wait(READY)
        for plot in ("severity-plot", "size-plot", "map-plot"):
            page.seen(plot)
        names = page.value(
            "[...document.querySelectorAll('#model-list label > span:last-child')].map((part) => part.textContent)"
        )
        assert names == list(HOSTILE)
        labels = page.value("[...document.querySelectorAll('#map-plot .ytick text')].map((part) => part.textContent)")
        for name, label in zip(HOSTILE, labels, strict=True):
            assert name[:27] == label[:27]
        assert page.value("document.querySelectorAll('img, svg a, [onerror], [onload], [onmouseover]').length") == 0
        box = page.value(
            "(() => { const box = document.querySelector('#map-plot .nsewdrag').getBoundingClientRect();"
            " return [box.x, box.y, box.width, box.height]; })()"
        )
        page.ask("Input.dispatchMouseEvent", type="mouseMoved", x=box[0] + box[2] / 2, y=box[1] + box[3] / 10)
        page.wait("document.querySelector('#map-plot .hovertext') !== null")
        assert HOSTILE[0] in page.value("document.querySelector('#map-plot .hovertext').textContent")
        browser.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        page.value("document.getElementById('download-scores').click()")
        until = time.monotonic() + PATIENCE
        while not (tmp_path / "synthetic-scores.csv").exists() and time.monotonic() < until:
            time.sleep(0.02)
        assert_undisturbed(page)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "synthetic-scores.csv").read_text())))
    assert {row["model"] for row in rows} == {name if not name.startswith("=") else f"'{name}" for name in HOSTILE}


def test_runs_on_other_prompts_are_said_to_be_unpaired(summary):
    same = replace(summary, manifest=replace(summary.manifest, suite_digest="another set of models"))
    digests = dict.fromkeys(summary.manifest.prompt_digests, "other prompts")
    other = replace(summary, manifest=replace(summary.manifest, prompt_digests=digests))
    assert "not paired" not in render([summary, same])
    assert "not paired" in render([summary, other])


def test_several_runs_are_laid_over_each_other(browser, tmp_path):
    summaries = [synthetic(tmp_path / "first" / "run"), synthetic(tmp_path / "second" / "run", scenarios=1)]
    with browser.page(written(tmp_path, *summaries)) as page:
        page.wait(READY)
        page.seen("severity-plot")
        names = page.value("[...document.querySelectorAll('#model-list label')].map((part) => part.textContent)")
        assert names[0] == "run (1): learner-00"
        assert names[3] == "run (2): learner-00"
        traces = page.value(
            "document.getElementById('severity-plot').data.filter((trace) => trace.mode === 'lines+markers')"
            ".map((trace) => [trace.customdata[0], trace.line.color, trace.line.dash])"
        )
        by_name = {name: (color, dash) for name, color, dash in traces}
        assert by_name["run (1): learner-00"][0] == by_name["run (2): learner-00"][0]
        assert by_name["run (1): learner-00"][1] != by_name["run (2): learner-00"][1]
        # a scenario that one run lacks shows the other's lines alone
        choose(page, "severity-scenario", "query/shift_01")
        page.wait("document.getElementById('severity-plot').layout.xaxis.title.text.includes('query')")
        long = page.value(
            "document.getElementById('severity-plot').data"
            ".filter((trace) => trace.mode === 'lines+markers' && trace.x.length > 1)"
            ".map((trace) => trace.customdata[0])"
        )
        assert long == [f"run (1): learner-0{number}" for number in range(3)]
        assert_undisturbed(page)


def test_a_run_in_which_all_failed_says_why(browser, tmp_path):
    text = suite_text("pages", models=[FRAGILE], scenarios=["base", {"use": "task/scale", "severities": [2.0]}])
    suite_run(text, PAGES_MODEL.replace("prompts.context_x.abs().max() > 7.5", "True"))(tmp_path)
    with browser.page(written(tmp_path, summarise(tmp_path / "run"))) as page:
        page.wait(READY)
        for plot in ("severity-plot", "size-plot", "map-plot"):
            page.seen(plot)
        assert "No model has a number" in page.value("document.getElementById('run').textContent")
        assert "<img src=x onerror=alert(1)> & more" in page.value("document.getElementById('troubles').textContent")
        assert page.value("document.querySelector('.scoreboard td.overall b').textContent") == "-1"  # no answer at all
        page.seen("severity-plot")
        choose(page, "severity-metric", "risk")
        page.wait("document.getElementById('severity-caption').textContent.includes('No model')")
        assert_undisturbed(page)


def test_a_run_without_losses_says_that_it_has_no_scores(browser, tmp_path):
    summary = synthetic(tmp_path / "run")
    with browser.page(written(tmp_path, summary)) as page:
        page.wait(READY)
        assert summary.run_scores.note in page.value("document.getElementById('headline').textContent")
        assert lines_drawn(page, "severity-plot") == 3 + 2  # with Bayes and predicting zero


def test_a_browser_that_cannot_inflate_keeps_the_tables(browser, page_file):
    with browser.page(page_file, before="delete window.DecompressionStream") as page:
        page.wait("document.getElementById('remark')?.checkVisibility()")
        assert "DecompressionStream" in page.value("document.getElementById('remark').textContent")
        assert "ols" in shown_rows(page, "headline")
        assert not page.value("document.getElementById('severity').checkVisibility()")
        assert_undisturbed(page)


def test_the_theme_works_where_storage_is_refused(browser, page_file):
    refuse = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('refused'); } })"
    with browser.page(page_file, before=refuse) as page:
        page.wait(READY)
        page.value("document.getElementById('theme').click()")
        assert page.value("document.documentElement.dataset.theme") == "dark"
        assert_undisturbed(page)


NEGATIVE = '''
from icl_bench import PlainMetric

class Surprise(PlainMetric):
    """Logarithm of the miss."""

    unit, direction, can_be_negative = "nat", "lower", True

    def losses(self, answer):
        return ((answer.prediction.mean - answer.targets.query_y).abs() + 0.01).log() - 9.0
'''


def test_a_metric_that_may_be_negative_is_drawn_as_it_is(browser, tmp_path):
    (tmp_path / "own.py").write_text(PAGES_MODEL + NEGATIVE)
    (tmp_path / "negative.toml").write_text(PAGES.partition("[metrics]")[0] + '[metrics]\nuse = ["./own.py:Surprise"]')
    summary = summarise(run_suite(tmp_path / "negative.toml", tmp_path / "run").path)
    expected = [entry.shown.value for entry in summary.points[0].entries.values()]
    assert max(expected) < 0.0
    with browser.page(written(tmp_path, summary)) as page:
        page.wait(READY)
        for plot in ("severity-plot", "size-plot", "map-plot"):
            page.seen(plot)
        draw_all(page)
        for plot in ("severity-plot", "size-plot"):
            assert page.value(f"document.getElementById('{plot}').layout.yaxis.type") == "linear"
            assert page.value(f"document.getElementById('{plot}').layout.yaxis.title.text") == "Surprise [nat]"
        assert page.value("document.getElementById('size-scenario').value") == "base"
        lines = page.value(
            "document.getElementById('size-plot').data.filter((t) => t.y && t.mode !== 'none').map((t) => t.y.at(-1))"
        )
        assert sorted(lines) == pytest.approx(sorted(expected), rel=1e-5)
        shades = page.value("document.getElementById('map-plot').data[0].z.flat()")
        assert max(shade for shade in shades if shade is not None) < 0.0
        assert "darker is better" in page.value("document.getElementById('map-caption').textContent")
