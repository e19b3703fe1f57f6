"""`icl-bench report --format html`: one self-contained page that reads without a network and without JavaScript."""

from __future__ import annotations

from collections.abc import Sequence
from string import Template

from icl_bench.report import wording
from icl_bench.report.html import assets, payload, sections
from icl_bench.report.html.headline import NamedRun, breakdown_table, kappas, score_table
from icl_bench.report.html.markup import element, folded, items, section, text
from icl_bench.report.html.risks import read_risks
from icl_bench.report.summary import Summary

JOINT = "Joint shifts"
RESEMBLANCE = (
    "Squared distance between a model's answers and a reference's, over the risk of predicting zero, after as many"
    " examples as the headline numbers: 0 is the same answers. bayes is the Bayes prediction of the test law,"
    " bayes_train that of the training law."
)


def render(summaries: Sequence[Summary]) -> str:
    """Return one complete HTML document that shows runs, several laid over each other.

    Reads each run's scores.parquet again for its curves. Raises UsageError when Plotly is not installed, TableError
    when a table is damaged.
    """
    plotly, plotly_hash = assets.packed_plotly()
    risks = [read_risks(summary) for summary in summaries]
    tables = payload.tables(summaries, risks)
    runs = _named(summaries)
    script = assets.script()
    interactions = score_table(runs, "interaction", "point")
    title = ", ".join(dict.fromkeys(wording.title(summary) for summary in summaries))
    return Template(assets.read("template.html")).substitute(
        title=text(title),
        scripts=f"{assets.script_hash(script)} {plotly_hash}",
        style=assets.read("page.css"),
        models=_model_list(runs),
        headline=_headline(runs),
        runs=sections.runs_list(runs),
        resemblance=_resemblance(runs, tables),
        interactions=section("interactions", JOINT, interactions) if interactions else "",
        interactions_link=f'<li><a href="#interactions">{JOINT}</a></li>' if interactions else "",
        numbers="".join(sections.numbers(run) for run in runs),
        troubles=sections.troubles(runs),
        provenance="".join(sections.provenance(run) for run in runs),
        tables=assets.embedded("tables", assets.squeezed_json(tables)),
        curves=assets.embedded("curves", assets.squeezed_json(payload.curves(risks))),
        plotly=assets.embedded("plotly", plotly),
        script=f"<script>{script}</script>",
    )


def _named(summaries: Sequence[Summary]) -> list[NamedRun]:
    runs, first = [], 0
    for name, summary in zip(payload.run_names(summaries), summaries, strict=True):
        runs.append(NamedRun(name, summary, first, len(summaries) == 1))
        first += len(summary.models)
    return runs


def _model_list(runs: Sequence[NamedRun]) -> str:
    """Return a checkbox for every model; the page's script adds how it is drawn."""
    return "".join(
        f'<li><label><input type="checkbox" checked data-m="{index}"><span class="swatch"></span>'
        f"<span>{text(name)}</span></label></li>"
        for run in runs
        for index, name, _ in run.labels()
    )


def _headline(runs: Sequence[NamedRun]) -> str:
    tables = [
        score_table(runs, "sdr", "axis"),
        score_table(runs, "ausc", "axis"),
        breakdown_table(runs),
        score_table(runs, "frozen_prior_gap", "axis"),
    ]
    by_scenario = [score_table(runs, name, "scenario") for name in ("sdr", "ausc", "frozen_prior_gap")]
    legend = items(
        [
            "[low, high]: 95% interval over prompts; 7/9: severities that the number rests on, of those that were run;"
            " n/a: no number, the remark says why. Never averaged across axes."
        ],
        class_="notes",
    )
    detail = folded("the same by scenario", "".join(by_scenario)) if any(by_scenario) else ""
    return kappas(runs) + legend + "".join(tables) + detail


def _resemblance(runs: Sequence[NamedRun], tables: dict[str, object]) -> str:
    found = tables["runs"]
    assert isinstance(found, list)
    static = "".join(sections.resemblance(run, each["references"]) for run, each in zip(runs, found, strict=True))
    if not static:
        return element("p", "No run measured an agreement (metrics <code>agreement:NAME</code> of a suite).")
    return element("p", text(RESEMBLANCE)) + element("div", static, id="resemblance-tables")
