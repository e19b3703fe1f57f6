"""Options and arguments that several verbs take: spelled and described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Suite = Annotated[Path, typer.Argument(help="Suite file (TOML), or the name of one that ships.", show_default=False)]
Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Results folders.", show_default=False)]

Models = Annotated[str, typer.Option(help="Only these models: names or globs, comma-separated.")]
Scenarios = Annotated[
    str, typer.Option("--scenarios", "--scenario", help="Only these scenarios: names or globs, comma-separated.")
]
Prompts = Annotated[int | None, typer.Option("--prompts", min=1, help="Prompts a cell, instead of the suite's.")]
Seeds = Annotated[
    str, typer.Option(help="Seeds instead of the suite's, comma-separated: other prompts of the same laws.")
]
Executor = Annotated[str, typer.Option(help="Where jobs run: processes, serial, or ./file.py:Name.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Worker processes [default: one a core; 1 on a GPU].")]
TimeLimit = Annotated[
    float, typer.Option("--time-limit", min=0.01, help="Seconds a model may take for one block of 256 prompts.")
]
Fresh = Annotated[bool, typer.Option("--fresh/--resume", help="Delete what the folder holds / continue it.")]

Margin = Annotated[str | None, typer.Option(help="Rise of the risk that is no regression: 5% or 0.05 [default: 1%].")]
Alpha = Annotated[str | None, typer.Option(help="Chance of any false alarm [default: 0.05].")]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="List missing and failed cells, and judge the others.")
]
Sequential = Annotated[
    Path | None,
    typer.Option("--sequential", metavar="STATE.json", help="Add tonight's runs to a nightly gate's state."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show every cell on the terminal.")]

OutFile = Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file instead of stdout.")]
JsonFormat = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


def out_folder(described: str) -> Any:
    """Return the option --out of a folder, which is described with what it is by default."""
    return typer.Option("--out", "-o", help=described)


def json_of(what: str) -> Any:
    """Return the option --json of a verb that says on stdout, as JSON, `what` it did."""
    return typer.Option("--json", help=f"Print {what} as JSON on stdout.")


def format_option(known: str) -> Any:
    """Return the option --format of a verb whose formats are `known`, as a list in words."""
    return typer.Option("--format", "-f", help=f"{known}.")


def metric_option(described: str) -> Any:
    """Return the option --metric: a label of the run's metrics, which is described with what it is by default."""
    return typer.Option("--metric", help=described)


def device_option(known: str) -> Any:
    """Return the option --device, described by what may be named."""
    return typer.Option("--device", help=f"{known}cpu, cuda, cuda:1, ...")


def comparison_metric() -> Any:
    """Return the option --metric of the verbs that compare."""
    return metric_option("Loss to compare by [default: the risk where both have it].")


def comparison_format() -> Any:
    """Return the option --format of the verbs that compare."""
    return format_option("terminal, markdown, json, junit or github")
