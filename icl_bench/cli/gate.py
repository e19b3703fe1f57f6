"""`icl-bench gate SUITE --baseline FOLDER`: run, compare and report in one go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from icl_bench.cli import options
from icl_bench.cli.compare import check_nightly_sizes, nightly_settings, settings_of, show
from icl_bench.cli.console import guarded, names_in, say
from icl_bench.cli.run import answered, numbers_in, say_incomplete
from icl_bench.errors import EXIT_INCOMPLETE, NotComparableError, OutputError, TableError
from icl_bench.shipped import suite_file

if TYPE_CHECKING:
    from icl_bench.cli.gate_request import GateRequest
    from icl_bench.compare.nightly.gate import NightlySettings
    from icl_bench.compare.settings import Settings
    from icl_bench.compare.view import View
    from icl_bench.results import Run
    from icl_bench.scores.summary import Summary
    from icl_bench.tables.loss_sets import StoredLosses


@guarded
def gate(
    suite: options.Suite,
    baseline: Annotated[
        Path, typer.Option("--baseline", "-b", help="Baseline, or a run, to hold it against.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        options.out_folder(
            "Results folder; an earlier run in it is replaced [default: results/gate-NAME of the suite]"
        ),
    ] = None,
    margin: options.Margin = None,
    alpha: options.Alpha = None,
    metric: Annotated[str | None, options.comparison_metric()] = None,
    sizes: Annotated[str | None, typer.Option(help="Context sizes judged: all or headline [default: all].")] = None,
    allow_missing: options.AllowMissing = False,
    sequential: options.Sequential = None,
    models: options.Models = "",
    scenarios: options.Scenarios = "",
    prompts: options.Prompts = None,
    seeds: options.Seeds = "",
    device: Annotated[str, options.device_option("Where models compute: ")] = "cpu",
    executor: options.Executor = "processes",
    workers: options.Workers = None,
    time_limit: options.TimeLimit = 600.0,
    format_name: Annotated[str, options.comparison_format()] = "terminal",
    as_json: options.JsonFormat = False,
    verbose: options.Verbose = False,
) -> None:
    """Run a suite afresh, compare it with a baseline, and fail only when something got worse.

    The comparison is printed; report.html and comparison.md, .json and .xml (JUnit) are written beside the tables.
    --models and --scenarios narrow the baseline as well.

    Ends as `compare` does: with 0 when nothing got worse, 1 on a regression, 2 on bad usage or a bad file, 3 when the
    runs ask different questions, 4 when cells are missing or failed.
    """
    from icl_bench.cli.gate_request import GateRequest
    from icl_bench.compare.formats import FORMATS
    from icl_bench.compare.nightly import gate as nightly
    from icl_bench.tables.stored_losses import open_losses

    wanted = "json" if as_json else format_name
    FORMATS.check(wanted)
    settings = settings_of(metric, margin, alpha, sizes, allow_missing)
    asked = nightly_settings(settings, margin, alpha)
    if sequential is not None:
        check_nightly_sizes(sizes)
    request = GateRequest(
        suite=suite,
        baseline=baseline,
        wanted_out=out,
        models=names_in(models),
        scenarios=names_in(scenarios),
        n_prompts=prompts,
        seeds=numbers_in(seeds),
        device=device,
        metric=metric,
        is_nightly=sequential is not None,
    )
    older = request.check_out()
    base = request.open_baseline()
    if sequential is not None:
        nightly.check_before(sequential, base, asked)
    if older is not None:
        say(f"note: {request.out} holds a run of {older or 'an earlier day'}; this one replaces it")
    done = _run(request, executor, workers, time_limit)
    shown = _judged(base, open_losses(done.path), sequential, asked, settings)
    show(shown, wanted, None, verbose)
    raise typer.Exit(_written(done.path, shown))


def _judged(
    base: StoredLosses, head: StoredLosses, sequential: Path | None, asked: NightlySettings, settings: Settings
) -> View:
    from icl_bench.compare.comparison import compare
    from icl_bench.compare.comparison_view import view
    from icl_bench.compare.nightly import gate as nightly
    from icl_bench.compare.nightly.view import view as nightly_view

    if sequential is not None:
        return nightly_view(nightly.look(sequential, base, head, asked))
    return view(compare(base, head, settings))


def _run(request: GateRequest, executor: str, workers: int | None, time_limit: float) -> Run:
    """Answer the suite afresh; what is incomplete is told on stderr."""
    done = answered(
        suite_file(request.suite),
        request.out,
        models=request.models,
        scenarios=request.scenarios,
        n_prompts=request.n_prompts,
        seeds=request.seeds,
        device=request.device,
        executor=executor,
        workers=workers,
        time_limit=time_limit,
        fresh=True,
        when_interrupted="nothing was compared: a gate begins afresh when it is run again",
    )
    if not done.complete:
        say_incomplete(done)
    return done


def _written(run: Path, shown: View) -> int:
    """Write what a gate leaves beside the tables; return how it ends: as the verdict, 4 where a pass lacks a file."""
    from icl_bench.compare.formats import FORMATS
    from icl_bench.files import write_text
    from icl_bench.run.folder import COMPARISON, REPORT

    try:
        for ending, name in (("json", "json"), ("xml", "junit"), ("md", "markdown")):
            write_text(run / f"{COMPARISON}.{ending}", FORMATS.render(name, shown).rstrip("\n") + "\n")
        summary = _summary(run)
        if summary is not None:
            _write_page(run / REPORT, summary)
    except OutputError as error:
        say(f"error: {error}")
        return shown.exit_code or EXIT_INCOMPLETE
    told = "" if summary is None else f"{REPORT}, "
    say(f"wrote {told}{COMPARISON}.md, {COMPARISON}.json and {COMPARISON}.xml (JUnit) into {run}")
    return shown.exit_code


def _summary(run: Path) -> Summary | None:
    """Return what a report says of the run; None, and why on stderr, where there is none: it hides no verdict."""
    from icl_bench.scores.summary import summarise

    try:
        return summarise(run)
    except (TableError, NotComparableError) as error:
        say(f"no report was written: {error}")
        return None


def _write_page(path: Path, summary: Summary) -> None:
    from icl_bench.files import write_text
    from icl_bench.report.formats import HEADLINE, HTML, render

    write_text(path, render([summary], HTML, HEADLINE) + "\n")
