"""`icl-bench show NAME`: one entry's definition, arguments, source and exact risk, or what a suite holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from icl_bench.cli import options, show_plugin, show_suite, show_trained
from icl_bench.cli.console import guarded, print_json
from icl_bench.errors import UsageError
from icl_bench.names import nearest


@guarded
def show(
    name: Annotated[
        str,
        typer.Argument(
            help="A name of any kind, ./file.py:Name, or a suite or recipe by name or file.", show_default=False
        ),
    ],
    as_json: options.Json = False,
) -> None:
    """Show one entry: definition, arguments, severities, source, exact risk; or what a suite, recipe or card holds.

    A name that stands for several things (`mean`) shows them all.
    """
    found = _described(name)
    if as_json:
        print_json(found)
        return
    for number, item in enumerate(found):
        if number:
            print()
        for line in _LINES.get(item["kind"], show_plugin.lines)(item):
            print(line)


def _described(name: str) -> list[dict[str, Any]]:
    """Return a description of everything that `name` stands for; UsageError names a near miss over all kinds."""
    from icl_bench.cli.list import listed
    from icl_bench.plugins import catalogue, loading

    if name.endswith(".toml"):
        path = Path(name)
        return [show_trained.recipe(path) if _holds_a_recipe(path) else show_suite.described(path)]
    if catalogue.is_file_reference(name):
        return [show_plugin.described(show_plugin.kind_of(loading.plugin_class("models", name)), name)]
    files = {kind: {item.name: Path(item.where) for item in listed(kind)} for kind in _FILES}
    found = [
        show_plugin.described(kind, entry)
        for kind in catalogue.KINDS
        for entry in _matches(catalogue.entries(kind), name)
    ]
    found += [describe(files[kind][name]) for kind, describe in _FILES.items() if name in files[kind]]
    if not found:
        known = [entry for kind in catalogue.KINDS for entry in catalogue.entries(kind)]
        known += [entry for kind in _FILES for entry in files[kind]]
        raise UsageError(f"nothing is called {name!r}{nearest(name, known)}; `icl-bench list` shows all that there is")
    return found


def _holds_a_recipe(path: Path) -> bool:
    """Tell whether a TOML file has the table of a recipe; what cannot be read is told as a suite's problem."""
    import tomllib

    try:
        return "recipe" in tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def _matches(known: Any, name: str) -> list[str]:
    """Return the entries called `name`, or `axis/name`, or with an argument behind a colon (`agreement:ols`)."""
    wanted = name.partition(":")[0]
    return [entry for entry in known if wanted in (entry, entry.rpartition("/")[2])]


_FILES: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "suites": show_suite.described,
    "recipes": show_trained.recipe,
    "weights": show_trained.weights,
}
_LINES: Mapping[str, Callable[[dict[str, Any]], list[str]]] = {
    "suites": show_suite.lines,
    "recipes": show_trained.recipe_lines,
    "weights": show_trained.weights_lines,
}
