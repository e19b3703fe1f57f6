"""`icl-bench list [KIND]`: what there is, by name; imports no plugin."""

from __future__ import annotations

import shutil
import sys
import textwrap
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from icl_bench import shipped
from icl_bench.cli import options
from icl_bench.cli.console import guarded, print_json
from icl_bench.errors import UsageError
from icl_bench.names import nearest

NARROWEST = 40


@dataclass(frozen=True, slots=True)
class Listed:
    """One thing that has a name."""

    name: str
    summary: str
    where: str  # module or file


def kinds() -> tuple[str, ...]:
    """Return every kind of thing that can be listed."""
    from icl_bench.plugins.catalogue import KINDS

    plugins = tuple(KINDS)
    return (*plugins[:3], "suites", "recipes", "weights", *plugins[3:])


def listed(kind: str) -> list[Listed]:
    """Return what there is of a kind; UsageError names a near miss."""
    from icl_bench.plugins.catalogue import entries

    if kind not in kinds():
        raise UsageError(f"no such kind: {kind!r}{nearest(kind, kinds())}; expected one of {', '.join(kinds())}")
    if kind in (shipped.SUITES, shipped.RECIPES):
        return _files(kind)
    if kind == "weights":
        return _weights()
    return [Listed(entry.name, entry.summary, entry.module) for entry in entries(kind).values()]


def _files(kind: str) -> list[Listed]:
    """Return the suite or recipe files of the current folder, then the ones that ship, by name."""
    found: dict[str, Listed] = {}
    for path in (*sorted(Path(kind).glob("*.toml")), *shipped.files(kind).values()):
        item = _described(path, kind.removesuffix("s"))
        found.setdefault(item.name, item)
    return list(found.values())


def _weights() -> list[Listed]:
    """Return the trained networks that ship, for `use = "checkpoint"`, `path = "zoo:NAME"`."""
    found = []
    for name, path in shipped.weights().items():
        card = tomllib.loads(path.read_text(encoding="utf-8"))
        found.append(Listed(name, str(card.get("notes", "")), str(path.parent)))
    return found


def _described(path: Path, section: str) -> Listed:
    """Return a TOML file's name, version and description; a file that cannot be read says so."""
    try:
        head = tomllib.loads(path.read_text(encoding="utf-8"))[section]
        name, version, description = head["name"], head.get("version", "?"), head.get("description", "")
        return Listed(str(name), f"version {version}. {description}".strip(), str(path))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        return Listed(path.stem, f"cannot be read: {type(error).__name__}: {error}", str(path))


@guarded
def list_entries(
    kind: Annotated[
        str,
        typer.Argument(
            help="models, scenarios, metrics, suites, recipes, weights, executors or function_classes; all."
        ),
    ] = "",
    as_json: options.Json = False,
) -> None:
    """List models, scenarios, metrics, suites, recipes, shipped weights, executors, function classes."""
    wanted = (kind,) if kind else kinds()
    found = {name: listed(name) for name in wanted}
    if as_json:
        print_json(
            {
                name: [{"name": item.name, "summary": item.summary, "where": item.where} for item in items]
                for name, items in found.items()
            }
        )
        return
    for number, (name, items) in enumerate(found.items()):
        if len(found) > 1:
            print(f"{'' if number == 0 else chr(10)}{name}")
        _print_items(name, items, "  " if len(found) > 1 else "")


def _print_items(kind: str, items: list[Listed], indent: str) -> None:
    """Print a line for each item, wrapped under its summary on a terminal."""
    if not items:
        print(f"{indent}no {kind} found")
        return
    start = len(indent) + max(len(item.name) for item in items) + 2
    room = max(NARROWEST, shutil.get_terminal_size().columns) - start
    for item in items:
        text = textwrap.wrap(item.summary, room) if sys.stdout.isatty() and room >= NARROWEST else [item.summary]
        print(f"{indent}{item.name:<{start - len(indent)}}{(chr(10) + ' ' * start).join(text)}".rstrip())
