"""`icl-bench report RUN...`: what finished runs say."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from icl_bench.cli import options
from icl_bench.cli.console import check_out, guarded, out, print_lines, print_text, say
from icl_bench.errors import EXIT_INCOMPLETE, UsageError
from icl_bench.report.section_catalogue import section_names

if TYPE_CHECKING:
    from icl_bench.scores.summary import Summary


@guarded
def report(
    runs: options.Runs,
    format_name: Annotated[str, options.format_option("terminal, html, markdown, csv, json or latex")] = "terminal",
    table: Annotated[
        str,
        typer.Option(help=f"With --format csv: one of {', '.join(section_names())}."),
    ] = "headline",
    destination: options.OutFile = None,
    as_json: options.JsonFormat = False,
) -> None:
    """Summarise runs: models against severities on every axis, breakdowns, curves, failures.

    Ends with 4 when a run holds no number at all.
    """
    from icl_bench.rendering.formats import TERMINAL
    from icl_bench.report.formats import FORMATS, HTML, check_table, render
    from icl_bench.scores.summary import summarise

    wanted = "json" if as_json else format_name
    FORMATS.check(wanted)
    check_table(wanted, table)
    if wanted == HTML and destination is None and sys.stdout.isatty():
        raise UsageError("--format html writes a page of megabytes: give a file, --out report.html")
    if destination is not None:
        check_out(destination)
    summaries = [summarise(run) for run in runs]
    if destination is not None:
        _write(destination, _plain(summaries) if wanted == TERMINAL else render(summaries, wanted, table))
    elif wanted == TERMINAL:
        for number, summary in enumerate(summaries):
            if number:
                print()
            _show(summary)
    else:
        print_text(render(summaries, wanted, table))
    empty = [summary.folder for summary in summaries if not summary.has_numbers]
    if empty:
        say(
            f"nothing to report: no model has a number of a metric that reports show in {', '.join(empty)}; the report"
            " says why, and scores.parquet holds what other metrics gave"
        )
        raise typer.Exit(EXIT_INCOMPLETE)


def print_report(folder: Path) -> None:
    """Print the terminal summary of a run folder on stdout."""
    from icl_bench.scores.summary import summarise

    _show(summarise(folder))


def _show(summary: Summary) -> None:
    from icl_bench.report.terminal import lines

    console = out()
    print_lines(lines(summary, console.width), console)


def _plain(summaries: list[Summary]) -> str:
    from icl_bench.report.terminal import lines

    return "\n\n".join("\n".join(line.plain for line in lines(summary, out().width)) for summary in summaries)


def _write(path: Path, text: str) -> None:
    from icl_bench.files import write_text

    write_text(path, text + "\n")
    say(f"wrote {path}")
