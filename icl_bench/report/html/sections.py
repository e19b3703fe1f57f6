"""The static sections of the page: what was run, every number, failures, provenance."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from icl_bench.rendering.table import Cell, Table
from icl_bench.report import wording
from icl_bench.report.html.headline import NamedRun
from icl_bench.report.html.markup import BodyRow, Data, Group, element, folded, items, paragraph, table, terms, text
from icl_bench.report.section import Content
from icl_bench.report.section_catalogue import contents
from icl_bench.report.summary import Summary
from icl_bench.text import short

LARGE = 6000
"""Cells from which on a run's numbers per severity are left to the heat map, the downloads and `--format csv`."""

SHOWN_APART = ("scores", "agreement", "gap", "interaction", "curves", "failures")
"""Sections of a report that the page has in a form of its own, of all runs together; every other is shown by run."""


def runs_list(runs: Sequence[NamedRun]) -> str:
    """Return what was run, a card a run."""
    return "".join(_run_card(run) for run in runs) + ("" if len(runs) == 1 else items(_overlay(runs)))


def _run_card(run: NamedRun) -> str:
    summary = run.summary
    title = element("h3", text(run.name) + f' <span class="quiet">{text(wording.title(summary))}</span>')
    lines = [*wording.head(summary), *wording.coverage_lines(summary)]
    if not summary.has_numbers:
        lines.append("No model has a number in this run; the section on failures says why.")
    return element("article", title + items(lines), class_="card")


def _overlay(runs: Sequence[NamedRun]) -> Iterator[str]:
    """Yield how several runs share the page."""
    yield "Runs are laid over each other: scenarios are matched by their labels, models are named run: model."
    yield "In plots a model has one colour in every run; the dash of its line tells the run."
    if not _same_prompts([run.summary.manifest.prompt_digests for run in runs]):
        yield "These runs answered different prompts, so their risks are not paired: compare with care."


def _same_prompts(digests: Sequence[Mapping[str, str]]) -> bool:
    """Tell whether runs have prompt sets in common, and the same prompts in all of these."""
    shared = set(digests[0]).intersection(*digests[1:])
    return bool(shared) and all(len({held[name] for held in digests}) == 1 for name in shared)


def numbers(run: NamedRun) -> str:
    """Return a run's tables of every model at every severity, folded; a remark where they would be too many."""
    summary = run.summary
    if not summary.has_numbers:
        return ""
    name = "" if run.alone else f"{run.name}: "
    found = [content for section, content in contents(summary) if section not in SHOWN_APART]
    if len(summary.points) * len(summary.models) > LARGE:
        count = f"{len(summary.models)} models x {len(summary.points)} severities"
        remark = paragraph(f"{name}{count}: too many for tables here; see the heat map, or the downloads.")
        return remark + "".join(_legend(content) for content in found)
    return folded(f"{name}every severity", "".join(_of_section(run, content) for content in found))


def _of_section(run: NamedRun, content: Content) -> str:
    """Return a section of the report: its legend, its tables, notes below those under a title."""
    tables = "".join(_table(run, each, each.title or content.title) for each in content.tables)
    return _legend(content) + tables + (items(content.notes, class_="notes") if content.title else "")


def _legend(content: Content) -> str:
    legend = () if content.title else content.notes
    return items([*content.lead, *content.colours, *legend], class_="notes")


def _table(run: NamedRun, shown: Table, caption: str) -> str:
    names = [name for _, name, _ in run.labels()]
    rows = [
        BodyRow(
            row.labels[0] if row.model is None else names[row.model],
            [_data(cell) for cell in row.cells],
            None if row.model is None else run.first_model + row.model,
        )
        for row in shown.rows
    ]
    groups = [Group(name, tuple(column.title for column in members)) for name, members in shown.groups()]
    return table(element("b", text(caption)), "model", groups, rows)


def _data(cell: Cell) -> Data:
    return Data(text(cell.text), standing="" if cell.standing in ("head", "empty") else cell.standing)


def resemblance(run: NamedRun, references: Mapping[str, Sequence[float | None]]) -> str:
    """Return how far each model is from each reference without any shift; nothing where no distance was measured.

    `references[name]` are squared distances over the risk of predicting zero, flat over (point, model); the page's
    script writes the same table for any severity.
    """
    summary = run.summary
    if not references or not summary.points:
        return ""
    rows = []
    for number, (index, name, _) in enumerate(run.labels()):
        values = [column[number] for column in references.values()]
        cells = [Data("-" if value is None else short(value), value) for value in values]
        rows.append(BodyRow(name, cells, index))
    caption = f"<b>{text('' if run.alone else run.name + ': ')}{text(_place_name(summary))}</b>"
    return table(caption, "model", [Group("distance to", tuple(references))], rows)


def _place_name(summary: Summary) -> str:
    place = summary.points[0].place
    return "unshifted" if summary.base is not None else f"{place.scenario} {place.label}".strip()


def troubles(runs: Sequence[NamedRun]) -> str:
    """Return failed, skipped and missing cells with their messages."""
    parts = []
    for run in runs:
        rows = [
            BodyRow(
                trouble.model,
                [
                    Data(text(trouble.status)),
                    Data(text(trouble.message), standing="message"),
                    Data(text(", ".join(trouble.metrics) or "all")),
                    Data(str(trouble.cells), trouble.cells),
                    Data(text(trouble.example)),
                ],
                next((index for index, _, label in run.labels() if label == trouble.model), None),
            )
            for trouble in run.summary.troubles
        ]
        title = element(
            "b",
            text(
                "Cells without a number that counts" if run.alone else f"{run.name}: cells without a number that counts"
            ),
        )
        columns = Group("", ("status", "message", "metrics", "cells", "such as"))
        if rows:
            parts.append(table(title, "model", [columns], rows))
    return "".join(parts) or paragraph("Every cell has its numbers.")


def provenance(run: NamedRun) -> str:
    """Return where a run's numbers come from: all of its manifest."""
    manifest = run.summary.manifest
    title = "" if run.alone else element("h3", text(run.name))
    facts = [
        ("suite", f"{manifest.suite} version {manifest.suite_version}"),
        ("command", manifest.command),
        ("started", manifest.started),
        ("finished", manifest.finished or "did not finish"),
        ("seconds", f"{manifest.seconds:.1f}"),
        ("device", f"{manifest.device}, {manifest.dtype}"),
        ("executor", f"{manifest.executor}, {manifest.workers} workers, {manifest.threads} threads each"),
        ("status", manifest.status),
        ("table schema", str(manifest.schema_version)),
        ("suite digest", manifest.suite_digest),
        ("run digest", manifest.run_digest),
        ("code digest", manifest.code_digest),
    ]
    groups = [terms(facts)]
    for name, held in (("versions", manifest.versions), ("machine", manifest.machine), ("git", manifest.git)):
        if held:
            groups.append(element("h4", text(name)) + terms((key, _plain(value)) for key, value in held.items()))
    digests = [*_prefixed("model", manifest.models), *_prefixed("prompts", manifest.prompt_digests)]
    groups.append(folded(f"{len(digests)} digests of models and prompts", terms(digests)))
    suite = "\n".join(_file_line(line) for line in manifest.suite_text.splitlines())
    groups.append(folded("suite file", element("pre", suite, tabindex="0")))
    return title + "".join(groups)


def _file_line(line: str) -> str:
    """Return a line of a file escaped: control characters as spaces, runs of spaces kept."""
    return escape("".join(character if character.isprintable() else " " for character in line))


def _prefixed(kind: str, held: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, digest in held.items():
        yield f"{kind} {name}", digest


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
