"""`icl-bench validate SUITE`: hold every plugin to its contracts on a few prompts, run nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from icl_bench.cli import options
from icl_bench.cli.console import guarded, print_json, say
from icl_bench.errors import EXIT_USAGE
from icl_bench.shipped import suite_file


@guarded
def validate(
    suite: options.Suite,
    time_limit: Annotated[
        float, typer.Option("--time-limit", min=0.01, help="Seconds a plugin may take for its checks.")
    ] = 60.0,
    executor: Annotated[
        str | None, typer.Option(help="Hold an executor to its contract too: a name or ./file.py:Name.")
    ] = None,
    as_json: Annotated[bool, options.json_of("the outcome")] = False,
) -> None:
    """Check a suite: build every plugin and hold each to its contracts on a few prompts.

    Ends with 0 when all is well and 2 when anything is not.
    """
    from icl_bench.run.validation import validate_suite

    suite = suite_file(suite)
    findings = validate_suite(suite, time_limit, executor)
    broken = [finding for finding in findings if finding.problem]
    if as_json:
        print_json(
            {
                "suite": str(suite),
                "valid": not broken,
                "checked": len(findings),
                "problems": [{"what": finding.what, "problem": finding.problem} for finding in broken],
            }
        )
    else:
        for finding in findings:
            print(
                f"{'FAIL' if finding.problem else 'ok':<5}{finding.what}"
                + (f": {finding.problem}" if finding.problem else "")
            )
    if broken:
        say(f"{len(broken)} of {len(findings)} checks failed")
        raise typer.Exit(EXIT_USAGE)
