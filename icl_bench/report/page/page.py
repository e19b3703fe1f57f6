"""`icl-bench report --format html`: one self-contained page that reads without a network and without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from icl_bench.rendering import html
from icl_bench.report import wording
from icl_bench.report.page import assets, payload, report_sections, sections
from icl_bench.report.page.headline import NamedRun, breakdown_table, kappas, score_table
from icl_bench.report.page.risks import read_risks
from icl_bench.report.page.scoreboard import scoreboards
from icl_bench.scores.summary import Summary


@dataclass(frozen=True, slots=True)
class PageSection:
    """A section of the page: its template `sections/NAME.html` shows what it holds, under the name `content`."""

    identifier: str
    heading: str
    template: str
    content: Mapping[str, object]
    drawn: bool = False  # by the page's script: without one there is nothing to see


def render(summaries: Sequence[Summary]) -> str:
    """Return one complete HTML document that shows runs, several laid over each other.

    Reads each run's scores.parquet again for its curves. Raises UsageError when Plotly is not installed, TableError
    when a table is damaged.
    """
    plotly, plotly_hash = assets.packed_plotly()
    risks = [read_risks(summary) for summary in summaries]
    tables = payload.tables(summaries, risks)
    runs = _named(summaries)
    return html.render(
        assets.PACKAGE,
        "report.html",
        style=assets.style(),
        script=assets.script(),
        hashes=[plotly_hash],
        title=", ".join(dict.fromkeys(wording.title(summary) for summary in summaries)),
        models=[(index, name) for run in runs for index, name, _ in run.labels()],
        sections=list(_sections(runs, tables)),
        tables=assets.squeezed_json(tables),
        curves=assets.squeezed_json(payload.curves(risks)),
        plotly=plotly,
    )


def _named(summaries: Sequence[Summary]) -> list[NamedRun]:
    runs, first = [], 0
    for name, summary in zip(payload.run_names(summaries), summaries, strict=True):
        runs.append(NamedRun(name, summary, first, len(summaries) == 1))
        first += len(summary.models)
    return runs


def _sections(runs: Sequence[NamedRun], tables: Mapping[str, Any]) -> Iterator[PageSection]:
    """Yield the sections of the page in order."""
    yield PageSection("skill", "Skill", "skill", {"runs": scoreboards(runs)})
    yield PageSection("map", "Where each model breaks", "map", {}, drawn=True)
    yield PageSection("severity", "Against severity", "severity", {}, drawn=True)
    yield PageSection("size", "Against context size", "size", {}, drawn=True)
    cards, overlay = sections.run_cards(runs), list(sections.overlay(runs))
    yield PageSection("run", "What was run", "run", {"cards": cards, "overlay": overlay})
    yield PageSection("headline", "Other run-level scores", "headline", _headline(runs))
    distances = [sections.resemblance(run, held["references"]) for run, held in zip(runs, tables["runs"], strict=True)]
    yield PageSection("resemblance", "Which algorithm is it?", "resemblance", {"tables": list(filter(None, distances))})
    interactions = score_table(runs, "interaction", "point")
    if interactions is not None:
        yield PageSection("interactions", "Joint shifts", "interactions", {"tables": [interactions]})
    for name, heading, found in report_sections.others(runs):
        yield PageSection(f"section-{name}", heading, "others", {"runs": found})
    numbers = [sections.numbers(run) for run in runs]
    yield PageSection("numbers", "Every number", "numbers", {"runs": list(filter(None, numbers))})
    troubles = [sections.troubles(run) for run in runs]
    yield PageSection("troubles", "Failures and skips", "troubles", {"tables": list(filter(None, troubles))})
    yield PageSection("provenance", "Provenance", "provenance", {"runs": [sections.provenance(run) for run in runs]})
    yield PageSection("downloads", "Downloads", "downloads", {})


def _headline(runs: Sequence[NamedRun]) -> dict[str, object]:
    tables = [
        score_table(runs, "sdr", "axis"),
        score_table(runs, "ausc", "axis"),
        breakdown_table(runs),
        score_table(runs, "frozen_prior_gap", "axis"),
    ]
    by_scenario = [score_table(runs, name, "scenario") for name in ("sdr", "ausc", "frozen_prior_gap")]
    return {
        "kappas": kappas(runs),
        "tables": list(filter(None, tables)),
        "by_scenario": list(filter(None, by_scenario)),
    }
