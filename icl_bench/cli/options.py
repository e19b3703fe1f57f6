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
Fresh = Annotated[bool, typer.Option("--fresh/--resume", help="Delete what the folder holds / continue it.")]

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
