"""`icl-bench run SUITE`: the main job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from icl_bench.cli import options
from icl_bench.cli.console import guarded, names_in, print_json, say
from icl_bench.errors import EXIT_INCOMPLETE, EXIT_INTERRUPTED
from icl_bench.shipped import suite_file

if TYPE_CHECKING:
    from icl_bench.results import Run


@guarded
def run(
    suite: options.Suite,
    out: Annotated[Path | None, options.out_folder("Results folder [default: results/NAME of the suite].")] = None,
    models: options.Models = "",
    scenarios: options.Scenarios = "",
    prompts: options.Prompts = None,
    seeds: options.Seeds = "",
    device: Annotated[str, options.device_option("Where models compute: ")] = "cpu",
    executor: options.Executor = "processes",
    workers: options.Workers = None,
    time_limit: options.TimeLimit = 600.0,
    fresh: options.Fresh = False,
    as_json: Annotated[bool, options.json_of("a summary")] = False,
) -> None:
    """Run a suite: draw prompts, ask every model, write Parquet tables, print a summary.

    Runs again into the same folder continue what is there. Ctrl-C loses nothing that was finished.
    """
    done = answered(
        suite_file(suite),
        out,
        models=names_in(models),
        scenarios=names_in(scenarios),
        n_prompts=prompts,
        seeds=numbers_in(seeds),
        device=device,
        executor=executor,
        workers=workers,
        time_limit=time_limit,
        fresh=fresh,
        when_interrupted="finished units are kept: run the same command again to continue",
    )
    if as_json:
        print_json(_summary(done))
    else:
        from icl_bench.cli.report import print_report, write_page

        print_report(done.path)
        write_page(done.path)
    if not done.complete:
        say_incomplete(done)
        raise typer.Exit(EXIT_INCOMPLETE)


def answered(
    suite: Path, out: Path | None, *, device: str, workers: int | None, when_interrupted: str, **asked: Any
) -> Run:
    """Run a suite with its progress shown, `asked` as `run_suite` is; ends with 130 when it is interrupted."""
    from icl_bench.cli.run_progress import run_progress
    from icl_bench.machine import usable_cores
    from icl_bench.run.suite_run import run_suite

    try:
        with run_progress() as progress:
            return run_suite(
                suite,
                out,
                device=device,
                workers=workers or (usable_cores() if device == "cpu" else 1),
                progress=progress,
                command=_command(),
                **asked,
            )
    except KeyboardInterrupt:
        say(f"interrupted; {when_interrupted}")
        raise typer.Exit(EXIT_INTERRUPTED) from None


def say_incomplete(done: Run) -> None:
    """Say how many cells of a run lack their answers, and where the reasons stand."""
    cells = done.manifest.cells
    say(
        f"incomplete: {cells.get('failed', 0)} failed and {cells.get('missing', 0)} missing{_looked_up(cells)} of"
        f" {cells['planned']} cells; the table's rows say why (`icl-bench report {done.path}`)"
    )


def _looked_up(cells: Mapping[str, int]) -> str:
    number = cells.get("looked_up", 0)
    return f" and {number} looked up (their answers know what the prompts do not tell)" if number else ""


def numbers_in(text: str) -> tuple[int, ...]:
    """Return the seeds of a comma-separated option; UsageError for what is no whole number."""
    from icl_bench.errors import UsageError

    try:
        return tuple(int(name) for name in names_in(text))
    except ValueError:
        raise UsageError(f"--seeds {text}: expected whole numbers such as 17 or 17,18") from None


def _command() -> str:
    import shlex
    import sys

    return shlex.join(["icl-bench", *sys.argv[1:]])


def _summary(done: Run) -> dict[str, Any]:
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
