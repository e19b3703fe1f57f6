"""`icl-bench report RUN...`: what finished runs say."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from icl_bench.cli import options
from icl_bench.cli.console import check_out, guarded, names_in, out, print_lines, print_text, say
from icl_bench.errors import EXIT_INCOMPLETE, UsageError
from icl_bench.report.section_catalogue import section_names

if TYPE_CHECKING:
    from rich.text import Text

    from icl_bench.scores.narrowing import Narrowing


@guarded
def report(
    runs: options.Runs,
    format_name: Annotated[str, options.format_option("terminal, html, markdown, csv, json or latex")] = "terminal",
    table: Annotated[
        str | None,
        typer.Option(help=f"This table alone: one of {', '.join(section_names())} [default: all; csv: headline]."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="On a terminal: every table, not the first screen alone.")
    ] = False,
    models: options.Models = "",
    scenarios: options.Scenarios = "",
    metric: Annotated[
        str | None, options.metric_option("What tables of severities show [default: what says most].")
    ] = None,
    destination: options.OutFile = None,
    as_json: options.JsonFormat = False,
) -> None:
    """Summarise runs: who holds up under shift, who breaks and where; with --full every table.

    Narrowed to some models, ranks are among these; narrowed to some scenarios, skill is over these. Ends with 4 when a
    run holds no number at all.
    """
    from icl_bench.rendering.formats import TERMINAL
    from icl_bench.report.formats import FORMATS, HTML, check_table
    from icl_bench.scores.narrowing import Narrowing

    wanted = "json" if as_json else format_name
    FORMATS.check(wanted)
    check_table(wanted, table)
    if wanted == HTML and destination is None and sys.stdout.isatty():
        raise UsageError("--format html writes a page of megabytes: give a file, --out report.html")
    if full and wanted != TERMINAL:
        raise UsageError(f"--full is for the terminal; {wanted} holds every table anyway")
    if destination is not None:
        check_out(destination)
    narrowing = Narrowing(names_in(models), names_in(scenarios), metric)
    whole = full or table is not None or metric is not None
    empty = (_on_terminal if wanted == TERMINAL else _in_format(wanted))(runs, narrowing, table, destination, whole)
    if empty:
        say(
            f"nothing to report: no model has a number of a metric that reports show in {', '.join(empty)}; the report"
            " says why, and scores.parquet holds what other metrics gave"
        )
        raise typer.Exit(EXIT_INCOMPLETE)


def _in_format(
    wanted: str,
) -> Callable[[list[Path], Narrowing, str | None, Path | None, bool], list[str]]:
    """Return what writes runs in a format other than the terminal's, and tells which hold no number."""

    def written(
        runs: list[Path], narrowing: Narrowing, table: str | None, destination: Path | None, _whole: bool
    ) -> list[str]:
        from icl_bench.report.formats import render
        from icl_bench.scores.summary import summarise

        summaries = [summarise(run, narrowing) for run in runs]
        text = render(summaries, wanted, table)
        if destination is None:
            print_text(text)
        else:
            _write(destination, text)
        return [summary.folder for summary in summaries if not summary.numbered]

    return written


def _on_terminal(
    runs: list[Path], narrowing: Narrowing, table: str | None, destination: Path | None, whole: bool
) -> list[str]:
    console, empty, texts = out(), [], []
    for number, run in enumerate(runs):
        shown, numbered = _screen(run, narrowing, table, whole)
        if not numbered:
            empty.append(str(run))
        if destination is not None:
            texts.append("\n".join(line.plain for line in shown(console.width, False)))
            continue
        if number:
            print()
        print_lines(shown(console.width, console.color_system is not None), console)
    if destination is not None:
        _write(destination, "\n\n".join(texts))
    return empty


def _screen(
    run: Path, narrowing: Narrowing, table: str | None, whole: bool
) -> tuple[Callable[[int, bool], Iterator[Text]], bool]:
    """Return what draws a run by width and by whether there are colours, and whether it holds any number."""
    from icl_bench.report import brief, terminal
    from icl_bench.scores.overview import read_overview
    from icl_bench.scores.summary import summarise

    if not whole:
        overview = read_overview(run, narrowing)
        if overview.skills.basis:
            return (lambda width, _: brief.lines(overview, width)), overview.numbered
    summary = summarise(run, narrowing)
    return (lambda width, coloured: terminal.lines(summary, width, table, coloured=coloured)), summary.numbered


def print_report(folder: Path) -> None:
    """Print the first screen of a run folder on stdout."""
    from icl_bench.scores.narrowing import Narrowing

    _on_terminal([folder], Narrowing(), None, None, whole=False)


def write_page(folder: Path) -> None:
    """Write report.html beside the tables of a run folder; say so where it cannot be had."""
    from icl_bench.files import write_text
    from icl_bench.report.formats import HTML, render
    from icl_bench.scores.summary import summarise

    path = folder / "report.html"
    try:
        write_text(path, render([summarise(folder)], HTML, None) + "\n")
    except UsageError as error:
        say(f"no {path}: {error}")
        return
    say(f"wrote {path}")


def _write(path: Path, text: str) -> None:
    from icl_bench.files import write_text

    write_text(path, text + "\n")
    say(f"wrote {path}")
