"""The command `icl-bench`: one verb per file."""

from __future__ import annotations

import typer

from icl_bench.cli.compare import compare
from icl_bench.cli.doctor import doctor
from icl_bench.cli.gate import gate
from icl_bench.cli.list import list_entries
from icl_bench.cli.plot import plot
from icl_bench.cli.report import report
from icl_bench.cli.run import run
from icl_bench.cli.show import show
from icl_bench.cli.train import train
from icl_bench.cli.validate import validate
from icl_bench.version import __version__

EPILOG = (
    "Exit codes: 0 pass, 1 regression or failed verification, 2 bad usage or bad file, 3 not comparable,"
    " 4 incomplete (cells missing or failed), 5 internal error, 130 interrupted (run again to continue)."
)

app = typer.Typer(
    name="icl-bench",
    help="How robust are in-context learners when test prompts differ from training prompts?",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help and errors: greppable, and rich costs a tenth of a second
    add_completion=False,
)
app.command("run")(run)
app.command("list")(list_entries)
app.command("show")(show)
app.command("validate")(validate)
app.command("report")(report)
app.command("plot")(plot)
app.command("compare")(compare)
app.command("gate")(gate)
app.command("train")(train)
app.command("doctor")(doctor)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"icl-bench {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """How robust are in-context learners when test prompts differ from training prompts?"""
    del version  # handled by its callback


def main() -> None:
    """Run the command line."""
    app()
