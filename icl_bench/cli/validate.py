"""`icl-bench validate SUITE`: hold every plugin to its contracts on a few prompts, run nothing."""

from __future__ import annotations

from pathlib import Path
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
    skill: Annotated[
        bool,
        typer.Option("--skill", help="Judge by 20,480 prompts a severity which of them skill should leave out."),
    ] = False,
    as_json: Annotated[bool, options.json_of("the outcome")] = False,
) -> None:
    """Check a suite: build every plugin and hold each to its contracts on a few prompts.

    With --skill, tell instead which severities have nothing to know, as `[skill] left_out` lists them. Ends with 0 when
    all is well and 2 when anything is not.
    """
    if skill:
        _skill(suite_file(suite), as_json)
        return
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


def _skill(suite: Path, as_json: bool) -> None:
    """Print which severities skill should leave out, and end with 2 where the suite's own list is another."""
    import json

    from icl_bench.run.skill_validation import judge_places

    judged = list(judge_places(suite))
    left_out = [place.name for place in judged if place.reason]
    wrong = [place for place in judged if place.problem]
    if as_json:
        problems = [{"what": place.name, "problem": place.problem} for place in wrong]
        reasons = {place.name: place.reason for place in judged if place.reason}
        print_json({"suite": str(suite), "valid": not wrong, "left_out": reasons, "problems": problems})
    else:
        for place in judged:
            print(f"{'FAIL' if place.problem else 'ok':<5}{place.name}" + (f": {place.reason}" if place.reason else ""))
        print(f"\n[skill]\nleft_out = {json.dumps(left_out)}")
    if wrong:
        say(f"[skill] left_out of {suite} is another list: {'; '.join(place.problem for place in wrong)}")
        raise typer.Exit(EXIT_USAGE)
