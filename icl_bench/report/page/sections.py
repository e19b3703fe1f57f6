"""What the static sections of the page hold: what was run, every number, failures, provenance."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from icl_bench.formatting import printable, short
from icl_bench.rendering.table import Cell, Column, Row, Table
from icl_bench.report import wording
from icl_bench.report.page.headline import NamedRun
from icl_bench.report.page.report_sections import on_page, said
from icl_bench.report.section import Content
from icl_bench.scores.coverage import Trouble
from icl_bench.scores.summary import Summary

LARGE = 6000
"""Cells from which on a run's numbers per severity are left to the heat map, the downloads and `--format csv`."""

Facts = Sequence[tuple[str, str]]
"""Names and what they are."""


@dataclass(frozen=True, slots=True)
class RunCard:
    """What was run, in lines."""

    name: str
    suite: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """A run's tables of every model at every severity, folded; without tables, `title` says why."""

    title: str
    explained: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a run's numbers come from: all of its manifest."""

    name: str  # empty where the page shows no other run
    facts: Facts
    groups: tuple[tuple[str, Facts], ...]
    digests: Facts
    suite: tuple[str, ...]  # lines of the suite file


def run_cards(runs: Sequence[NamedRun]) -> list[RunCard]:
    """Return what was run, a card a run."""
    cards = []
    for run in runs:
        lines = [*wording.head(run.summary), *wording.coverage_lines(run.summary)]
        if not run.summary.has_numbers:
            lines.append("No model has a number in this run; the section on failures says why.")
        cards.append(RunCard(run.name, wording.title(run.summary), tuple(lines)))
    return cards


def overlay(runs: Sequence[NamedRun]) -> Iterator[str]:
    """Yield how several runs share the page; nothing of one alone."""
    if len(runs) == 1:
        return
    yield "Runs are laid over each other: scenarios are matched by their labels, models are named run: model."
    yield "In plots a model has one colour in every run; the dash of its line tells the run."
    if not _same_prompts([run.summary.manifest.prompt_digests for run in runs]):
        yield "These runs answered different prompts, so their risks are not paired: compare with care."


def _same_prompts(digests: Sequence[Mapping[str, str]]) -> bool:
    """Tell whether runs have prompt sets in common, and the same prompts in all of these."""
    shared = set(digests[0]).intersection(*digests[1:])
    return bool(shared) and all(len({held[name] for held in digests}) == 1 for name in shared)


def numbers(run: NamedRun) -> Numbers | None:
    """Return every number of a run; a remark where they would be too many, None where there is none."""
    summary = run.summary
    headline = said(run, "headline")
    if headline is None:
        return None
    explained = (*headline.lead, *headline.colours, *headline.notes)
    if len(summary.points) * len(summary.models) > LARGE:
        count = f"{len(summary.models)} models x {len(summary.points)} severities"
        remark = f"{run.prefix}{count}: too many for tables here; see the heat map, or the downloads."
        return Numbers(remark, explained)
    breakdowns = said(run, "breakdowns") or Content()
    tables = [on_page(run, each) for each in headline.tables]
    tables += [on_page(run, replace(each, title=breakdowns.title)) for each in breakdowns.tables]
    return Numbers(f"{run.prefix}every severity", explained, tuple(tables), breakdowns.notes)


def resemblance(run: NamedRun, references: Mapping[str, Sequence[float | None]]) -> Table | None:
    """Return how far each model is from each reference without any shift; None where no distance was measured.

    `references[name]` are squared distances over the risk of predicting zero, flat over (point, model); the page's
    script writes the same table for any severity.
    """
    summary = run.summary
    if not references or not summary.points:
        return None
    rows = []
    for number, (index, name, _) in enumerate(run.labels()):
        values = [column[number] for column in references.values()]
        cells = tuple(Cell("-" if value is None else short(value), key=value) for value in values)
        rows.append(Row((name,), cells, index))
    heads = tuple(Column(name, "distance to") for name in references)
    return Table(heads, tuple(rows), ("model",), f"{run.prefix}{_place_name(summary)}")


def _place_name(summary: Summary) -> str:
    place = summary.points[0].place
    return "unshifted" if summary.base is not None else f"{place.scenario} {place.label}".strip()


def troubles(run: NamedRun) -> Table | None:
    """Return failed, skipped and missing cells with their messages; None where every cell has its numbers."""
    indices = {label: index for index, _, label in run.labels()}
    rows = tuple(
        Row((trouble.model,), _trouble_cells(trouble), indices.get(trouble.model)) for trouble in run.summary.troubles
    )
    title = "Cells without a number that counts" if run.alone else f"{run.name}: cells without a number that counts"
    heads = tuple(Column(name) for name in ("status", "message", "metrics", "cells", "such as"))
    return Table(heads, rows, ("model",), title) if rows else None


def _trouble_cells(trouble: Trouble) -> tuple[Cell, ...]:
    return (
        Cell(trouble.status),
        Cell(printable(trouble.message), "message"),
        Cell(", ".join(trouble.metrics) or "all"),
        Cell(str(trouble.cells), key=trouble.cells),
        Cell(trouble.example),
    )


def provenance(run: NamedRun) -> Provenance:
    """Return where a run's numbers come from: all of its manifest."""
    manifest = run.summary.manifest
    facts = (
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
    )
    held = (("versions", manifest.versions), ("machine", manifest.machine), ("git", manifest.git))
    groups = tuple((name, [(key, _plain(value)) for key, value in of.items()]) for name, of in held if of)
    digests = (*_prefixed("model", manifest.models), *_prefixed("prompts", manifest.prompt_digests))
    name = "" if run.alone else run.name
    return Provenance(name, facts, groups, digests, tuple(manifest.suite_text.splitlines()))


def _prefixed(kind: str, held: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, digest in held.items():
        yield f"{kind} {name}", digest


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
