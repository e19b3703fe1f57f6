"""The sentences of a whole report: head, coverage, and a legend of what is really on the page."""

from __future__ import annotations

from icl_bench.scores.metric_wording import sentence
from icl_bench.scores.overview import Overview
from icl_bench.scores.points import NEAR_BAYES
from icl_bench.scores.summary import Summary
from icl_bench.tables.schema import LOOKED_UP, WORST_FIRST

NOT_THE_SUITES_METRIC = "†"
BROKEN = "!"
_STUDENTISED = "studentised over prompts (over draws where prompts share one)"
_INTERVALS = {"quantile": "between order statistics", "worst group": "wide enough for every group at once"}
"""How the intervals of statistics that are no means are made."""


def title(summary: Overview) -> str:
    """Return `quick version 1`."""
    return f"{summary.manifest.suite} version {summary.manifest.suite_version}"


def head(summary: Overview) -> tuple[str, ...]:
    """Return what was run, where and when."""
    manifest = summary.manifest
    prompts = " to ".join(f"{count:,}" for count in sorted({min(summary.n_prompts), max(summary.n_prompts)}))
    seeds = ", ".join(map(str, summary.seeds))
    date, version = (manifest.finished or manifest.started)[:10], manifest.versions.get("icl-bench", "?")
    return (
        f"{prompts} prompts a cell, seed{'s' if len(summary.seeds) > 1 else ''} {seeds};"
        f" {manifest.n_dims} dimensions; learners trained on {manifest.training_context} examples",
        f"{manifest.device}, {manifest.dtype}; {date}; icl-bench {version}; {summary.folder}",
    )


def coverage_lines(summary: Overview) -> tuple[str, ...]:
    """Return how many cells there are, and what lacks."""
    found = summary.coverage
    counted = [f"{found.cells[name]} {name}" for name in ("ok", "skipped", "failed", "missing")]
    if looked_up := found.cells[LOOKED_UP]:
        counted.append(f"{looked_up} looked up")
    lines = [f"cells: {', '.join(counted)}"]
    if looked_up:
        models = dict.fromkeys(trouble.model for trouble in summary.troubles if trouble.status == LOOKED_UP)
        lines.append(
            f"looked up: {', '.join(models)} answered with what the prompts do not tell, as no honest learner can:"
            " those cells count as not answered, and have no rank; their numbers are in scores.parquet"
        )
    if not found.finished:
        lines.append("the last command on this folder did not end: run it again to continue")
    for what, names in (("models", found.absent_models), ("scenarios", found.absent_scenarios)):
        if names:
            lines.append(f"{what} of the suite that were not run: {', '.join(names)}")
    if found.uneven_seeds:
        lines.append("some averages rest on fewer seeds than were run (n_seeds in --format csv)")
    return tuple(lines)


def shown(summary: Summary) -> str:
    """Return what the numbers are, and at which context size."""
    size = summary.base.context_size if summary.base else summary.manifest.training_context
    others = any(point.context_size != size for point in summary.points)
    but = ", but where a row says otherwise" if others else ""
    return f"Shown: {sentence(summary.roles, summary.metric)}. After {size} examples{but}."


def legend(summary: Summary) -> tuple[str, ...]:
    """Return what the numbers and marks on this page mean."""
    entries = [entry for point in summary.points for entry in point.entries.values() if entry.shown is not None]
    shown = [entry.shown for entry in entries if entry.shown is not None]
    how = next((_INTERVALS[item.kind] for item in shown if item.kind in _INTERVALS), _STUDENTISED)
    lines = [
        f"±: half width of the 95% interval, {how}."
        + (" Seeds are averaged; their squared half widths add up." if len(summary.seeds) > 1 else ""),
    ]
    if any(point.achievable is not None for point in summary.points):
        scale = " over the risk of predicting zero" if summary.roles.is_normalised(summary.metric) else ""
        lines.insert(0, f"Bayes row: risk of the Bayes prediction{scale}: what is achievable; ?: not known.")
    if any(item.kind == "mean" and item.half_width is None for item in shown):
        lines.append("±?: the mean has no interval: its variance does not exist, or all prompts share one draw.")
    if any(item.kind in _INTERVALS and item.half_width is None for item in shown):
        lines.append("±?: no interval: prompts share random draws, or are too few for one.")
    if any(item.kind == "median" for item in shown):
        lines.append(
            "med: the mean does not exist (heavy tail): median over prompts, with its order-statistic interval."
        )
    others_shown = dict.fromkeys(point.metric for point in summary.points if point.metric != summary.metric)
    for metric in others_shown:
        why = "no Bayes prediction is known there" if _shows_excess(summary) else f"no {summary.metric} there"
        lines.append(f"{NOT_THE_SUITES_METRIC} {why}, so the column shows the {sentence(summary.roles, metric)}.")
    if any(entry.broken for entry in entries):
        lines.append(
            f"{BROKEN} no better than predicting zero: the interval of the normalised error lies at or above 1."
        )
    words = {entry.absent.status for point in summary.points for entry in point.entries.values() if entry.absent}
    if "missing" in words:
        lines.append("·: no row in the table: not run, or not finished.")
    if "undefined" in words:
        lines.append("n/a: no number exists, such as a ratio to a risk of 0.")
    statuses = [word for word in WORST_FIRST if word in words]
    if statuses:
        lines.append(f"{', '.join(statuses)}: status of the cell; the last section says why.")
    if LOOKED_UP in words:
        lines.append(f"{LOOKED_UP}: the answers know what the prompts do not tell, so their risk is no learner's.")
    return tuple(lines)


def colours(summary: Summary) -> str:
    """Return what the colours mean."""
    entries = [entry for point in summary.points for entry in point.entries.values()]
    if all(entry.standing in ("", "none") for entry in entries):
        return "No colours: nothing says how these numbers stand to those of predicting zero."
    near = f"green: excess within {NEAR_BAYES:.0%} of the risk of predicting zero; " if _shows_excess(summary) else ""
    return f"Colours: {near}red: at or above predicting zero; yellow: between."


def _shows_excess(summary: Summary) -> bool:
    return summary.metric == summary.roles.normalised_excess
