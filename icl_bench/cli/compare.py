"""`icl-bench compare BASE HEAD`: the gate that is red only when something got worse."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from icl_bench.cli import options
from icl_bench.cli.console import check_out, guarded, out, print_lines, print_text, say
from icl_bench.errors import EXIT_PASS, NotComparableError, TableError, UsageError

if TYPE_CHECKING:
    from icl_bench.compare.nightly.gate import NightlySettings
    from icl_bench.compare.settings import Settings
    from icl_bench.compare.view import View
    from icl_bench.tables.loss_sets import StoredLosses


@guarded
def compare(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="Older run, or baseline.", show_default=False)],
    head: Annotated[Path, typer.Argument(metavar="HEAD", help="Newer run.", show_default=False)],
    metric: Annotated[str | None, options.comparison_metric()] = None,
    margin: options.Margin = None,
    alpha: options.Alpha = None,
    sizes: Annotated[
        str | None, typer.Option(help="Context sizes judged: all or headline [default: all; of --update: headline].")
    ] = None,
    allow_missing: options.AllowMissing = False,
    update: Annotated[
        bool, typer.Option("--update", help="Afterwards make HEAD the baseline in BASE's folder; ends with 0.")
    ] = False,
    sequential: options.Sequential = None,
    format_name: Annotated[str, options.comparison_format()] = "terminal",
    destination: options.OutFile = None,
    as_json: options.JsonFormat = False,
    verbose: options.Verbose = False,
) -> None:
    """Hold HEAD against BASE, prompt by prompt: did any cell get worse by more than the margin?

    Ends with 0 when none did, 1 on a regression, 2 on bad usage or a bad file, 3 when the runs ask different questions
    (suite, version, prompts, newer tables), 4 when cells are missing or failed, or nothing was compared.
    """
    from icl_bench.compare.formats import FORMATS

    wanted = "json" if as_json else format_name
    FORMATS.check(wanted)
    if destination is not None:
        check_out(destination)
    settings = settings_of(metric, margin, alpha, sizes, allow_missing)
    if sequential is not None:
        if update:
            raise UsageError(
                "--sequential and --update exclude each other: a nightly gate compares two runs of one night"
            )
        check_nightly_sizes(sizes)
        shown = _nightly(sequential, base, head, nightly_settings(settings, margin, alpha))
        show(shown, wanted, destination, verbose)
        raise typer.Exit(shown.exit_code)
    if update:
        _update(base, head, settings, sizes, wanted, destination, verbose)
        raise typer.Exit(EXIT_PASS)
    shown = _compared(base, head, settings)
    show(shown, wanted, destination, verbose)
    raise typer.Exit(shown.exit_code)


def settings_of(
    metric: str | None, margin: str | None, alpha: str | None, sizes: str | None, missing: bool
) -> Settings:
    """Return what a comparison is asked, from the options as they were typed; UsageError for a bad one."""
    from icl_bench.compare import settings

    return settings.Settings(
        metric,
        settings.MARGIN if margin is None else settings.margin_from(margin),
        settings.ALPHA if alpha is None else settings.alpha_from(alpha),
        settings.ALL if sizes is None else settings.sizes_from(sizes),
        missing,
    )


def _compared(base: Path, head: Path, settings: Settings) -> View:
    from icl_bench.compare.comparison import check_two_folders, compare
    from icl_bench.compare.comparison_view import view
    from icl_bench.tables.stored_losses import open_losses

    check_two_folders(base, head)
    return view(compare(open_losses(base), open_losses(head), settings))


def check_nightly_sizes(sizes: str | None) -> None:
    """Raise UsageError for context sizes that a nightly gate does not watch."""
    if sizes == "all":
        raise UsageError("--sequential watches the headline context size of every cell; leave --sizes away")


def nightly_settings(settings: Settings, margin: str | None, alpha: str | None) -> NightlySettings:
    """Return what a night is asked: a margin or alpha that was not typed is the state's."""
    from icl_bench.compare.nightly.gate import NightlySettings

    return NightlySettings(
        settings.metric,
        None if margin is None else settings.margin,
        None if alpha is None else settings.alpha,
        settings.allow_missing,
    )


def _nightly(path: Path, base: Path, head: Path, asked: NightlySettings) -> View:
    from icl_bench.compare.comparison import check_two_folders
    from icl_bench.compare.nightly.gate import look
    from icl_bench.compare.nightly.view import view
    from icl_bench.tables.stored_losses import open_losses

    check_two_folders(base, head)
    return view(look(path, open_losses(base), open_losses(head), asked))


def _update(
    base: Path,
    head: Path,
    settings: Settings,
    sizes: str | None,
    format_name: str,
    destination: Path | None,
    verbose: bool,
) -> None:
    """Show the comparison with the old baseline where there is one, then write the new."""
    from icl_bench.compare.baseline_folder import check_baseline_folder, check_complete, update
    from icl_bench.compare.comparison import check_two_folders
    from icl_bench.tables.stored_losses import open_losses

    check_two_folders(base, head)
    check_baseline_folder(base)
    losses = open_losses(head)
    check_complete(losses, settings.allow_missing)
    if (base / "manifest.json").exists():
        shown = _before_update(base, losses, settings)
        if shown is not None:
            show(shown, format_name, destination, verbose)
            if shown.exit_code:
                say(f"--update accepts this (it would end with {shown.exit_code})")
    else:
        say(f"there was no baseline in {base}")
    digest = update(base, losses, settings.metric, sizes, settings.allow_missing)
    say(f"wrote the baseline {digest} into {base}: commit that folder, and say beside it what moved and why")


def _before_update(base: Path, head: StoredLosses, settings: Settings) -> View | None:
    """Return the comparison with the baseline that is to be replaced; None, and why on stderr, where there is none."""
    from icl_bench.compare.comparison import compare
    from icl_bench.compare.comparison_view import view
    from icl_bench.tables.stored_losses import open_losses

    try:
        return view(compare(open_losses(base), head, settings))
    except (NotComparableError, TableError) as error:
        say(f"not compared with the old baseline: {error}")
        return None


def show(shown: View, format_name: str, destination: Path | None, verbose: bool) -> None:
    """Print a comparison, or write it into `destination`; with `github`, the summary of the job as well."""
    from icl_bench.compare.formats import FORMATS, GITHUB
    from icl_bench.compare.terminal import lines
    from icl_bench.files import write_text
    from icl_bench.rendering.formats import TERMINAL

    if format_name == GITHUB:
        _summarise_job(shown)
    if destination is not None:
        text = _plain(shown, verbose) if format_name == TERMINAL else FORMATS.render(format_name, shown)
        write_text(destination, text.rstrip("\n") + "\n")
        say(shown.verdict)
        say(f"wrote {destination}")
        return
    if format_name == TERMINAL:
        console = out()
        print_lines(lines(shown, console.width, verbose), console)
    else:
        print_text(FORMATS.render(format_name, shown))


def _summarise_job(shown: View) -> None:
    """Append to the job summary of GitHub Actions where there is one; a summary that fails hides no verdict."""
    from icl_bench.compare.github import append_summary
    from icl_bench.errors import OutputError

    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        try:
            append_summary(shown, Path(path))
        except OutputError as error:
            say(f"warning: {error}")


def _plain(shown: View, verbose: bool) -> str:
    from icl_bench.compare.terminal import lines

    return "\n".join(line.plain for line in lines(shown, out().width, verbose))
