"""`icl-bench run SUITE`: the main job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from icl_bench.cli import options
from icl_bench.cli.console import guarded, names_in, print_json, say
from icl_bench.errors import EXIT_INCOMPLETE, EXIT_INTERRUPTED
from icl_bench.shipped import suite_file


@guarded
def run(
    suite: options.Suite,
    out: Annotated[Path | None, options.out_folder("Results folder [default: results/NAME of the suite].")] = None,
    models: options.Models = "",
    scenarios: options.Scenarios = "",
    prompts: Annotated[
        int | None, typer.Option("--prompts", min=1, help="Prompts a cell, instead of the suite's.")
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="Seeds instead of the suite's, comma-separated: other prompts of the same laws.")
    ] = "",
    device: Annotated[str, options.device_option("Where models compute: ")] = "cpu",
    executor: Annotated[str, typer.Option(help="Where jobs run: processes, serial, or ./file.py:Name.")] = "processes",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes [default: one a core; 1 on a GPU].")
    ] = None,
    time_limit: Annotated[
        float,
        typer.Option("--time-limit", min=0.01, help="Seconds a model may take for one block of 256 prompts."),
    ] = 600.0,
    fresh: options.Fresh = False,
    as_json: Annotated[bool, options.json_of("a summary")] = False,
) -> None:
    """Run a suite: draw prompts, ask every model, write Parquet tables, print a summary.

    Runs again into the same folder continue what is there. Ctrl-C loses nothing that was finished.
    """
    from icl_bench.cli.run_progress import run_progress
    from icl_bench.machine import usable_cores
    from icl_bench.run.suite_run import run_suite

    try:
        with run_progress() as progress:
            done = run_suite(
                suite_file(suite),
                out,
                models=names_in(models),
                scenarios=names_in(scenarios),
                n_prompts=prompts,
                seeds=_numbers(seeds),
                device=device,
                executor=executor,
                workers=workers or (usable_cores() if device == "cpu" else 1),
                fresh=fresh,
                time_limit=time_limit,
                progress=progress,
                command=_command(),
            )
    except KeyboardInterrupt:
        say("interrupted; finished units are kept: run the same command again to continue")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if as_json:
        print_json(_summary(done))
    else:
        from icl_bench.cli.report import print_report, write_page

        print_report(done.path)
        write_page(done.path)
    if not done.complete:
        cells = done.manifest.cells
        say(
            f"incomplete: {cells.get('failed', 0)} failed and {cells.get('missing', 0)} missing{_looked_up(cells)} of"
            f" {cells['planned']} cells; the table's rows say why (`icl-bench report {done.path}`)"
        )
        raise typer.Exit(EXIT_INCOMPLETE)


def _looked_up(cells: Mapping[str, int]) -> str:
    number = cells.get("looked_up", 0)
    return f" and {number} looked up (their answers know what the prompts do not tell)" if number else ""


def _numbers(text: str) -> tuple[int, ...]:
    from icl_bench.errors import UsageError

    try:
        return tuple(int(name) for name in names_in(text))
    except ValueError:
        raise UsageError(f"--seeds {text}: expected whole numbers such as 17 or 17,18") from None


def _command() -> str:
    import shlex
    import sys

    return shlex.join(["icl-bench", *sys.argv[1:]])


def _summary(done: Any) -> dict[str, Any]:
    manifest = done.manifest
    return {
        "out": str(done.path),
        "suite": manifest.suite,
        "suite_version": manifest.suite_version,
        "status": manifest.status,
        "cells": manifest.cells,
        "seconds": manifest.seconds,
        "prompt_digests": manifest.prompt_digests,
    }
