"""What there is: built-in plugins (the file name is the name) and those of installed packages (entry points).

A kind of plugin is one row here. Listing imports nothing: names come from the tree, summaries from the first line of
each file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from icl_bench.errors import PluginError
from icl_bench.names import nearest
from icl_bench.shipped import package_root, present


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of plugin: what its files end with, and where what it must look like and what it must keep are written.

    `protocol` and `contracts` are `module:name`, as entry points are written, so that the row imports nothing.
    """

    singular: str  # "model", in messages
    attribute: str  # a built-in file ends with `MODEL = TheClass`
    entry_points: str  # group under which an installed package offers plugins of the kind
    protocol: str  # what a plugin must look like
    contracts: str  # yields every contract that a plugin breaks


KINDS: Mapping[str, Kind] = {
    "models": Kind(
        singular="model",
        attribute="MODEL",
        entry_points="icl_bench.models",
        protocol="icl_bench.plugins.protocols:Model",
        contracts="icl_bench.contracts.models:model_violations",
    ),
    "scenarios": Kind(
        singular="scenario",
        attribute="SCENARIO",
        entry_points="icl_bench.scenarios",
        protocol="icl_bench.plugins.protocols:Scenario",
        contracts="icl_bench.contracts.models:scenario_violations",
    ),
    "metrics": Kind(
        singular="metric",
        attribute="METRIC",
        entry_points="icl_bench.metrics",
        protocol="icl_bench.plugins.protocols:Metric",
        contracts="icl_bench.contracts.metrics:metric_violations",
    ),
    "executors": Kind(
        singular="executor",
        attribute="EXECUTOR",
        entry_points="icl_bench.executors",
        protocol="icl_bench.plugins.protocols:Executor",
        contracts="icl_bench.contracts.executors:executor_violations",
    ),
    "function_classes": Kind(
        singular="function_class",
        attribute="FUNCTION_CLASS",
        entry_points="icl_bench.function_classes",
        protocol="icl_bench.laws.parts:TaskPart",
        contracts="icl_bench.contracts.function_classes:function_class_violations",
    ),
}
"""Kind -> its row; the name is also the folder of the built-in ones."""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One plugin that can be loaded by name."""

    kind: str
    name: str
    module: str
    summary: str
    attribute: str | None = None  # of an entry point; a built-in file ends with MODEL = ... or its like

    @property
    def built_in(self) -> bool:
        """Whether the plugin ships with icl-bench."""
        return self.module.startswith("icl_bench.")


def _first_line(path: Path) -> str:
    """Return the first line of a file's docstring without importing it."""
    with path.open(encoding="utf-8") as file:
        line = file.readline().strip()
    return line.strip('"').strip() if line.startswith('"""') else ""


def _built_in(kind: str) -> Mapping[str, CatalogueEntry]:
    root = package_root() / kind
    entries: dict[str, CatalogueEntry] = {}
    for path in sorted(root.rglob("*.py")):
        if path.name == "__init__.py":
            continue
        relative = path.relative_to(root).with_suffix("")
        name = relative.as_posix() if kind == "scenarios" else relative.name
        module = ".".join(["icl_bench", kind, *relative.parts])
        entries[name] = CatalogueEntry(kind, name, module, _first_line(path))
    return present(kind, root, entries)


def _installed(kind: str) -> dict[str, CatalogueEntry]:
    from importlib.metadata import entry_points

    entries = {}
    for point in entry_points(group=KINDS[kind].entry_points):
        package = point.dist.name if point.dist else "?"
        entries[point.name] = CatalogueEntry(kind, point.name, point.module, f"(from {package})", point.attr or None)
    return entries


def is_foreign(kind: str, use: str) -> bool:
    """Tell whether a plugin comes from outside icl-bench, so that it is held to its contracts where it is used."""
    return is_file_reference(use) or not find(kind, use).built_in


@cache
def entries(kind: str) -> Mapping[str, CatalogueEntry]:
    """Return every plugin of `kind` by name; a built-in name cannot be taken over by an entry point."""
    if kind not in KINDS:
        raise PluginError(
            f"no such kind of plugin: {kind!r}; expected one of {', '.join(KINDS)}{nearest(kind, list(KINDS))}"
        )
    return {**_installed(kind), **_built_in(kind)}


def find(kind: str, name: str) -> CatalogueEntry:
    """Return the entry called `name`; PluginError names a near miss."""
    known = entries(kind)
    if name not in known:
        raise PluginError(
            f"no {KINDS[kind].singular} is called {name!r}{nearest(name, list(known))};"
            f" `icl-bench list {kind}` shows all, and `./file.py:Name` takes one from your own file"
        )
    return known[name]


def is_file_reference(use: str) -> bool:
    """Tell whether `use` names a plugin in a user's own file (`./file.py:Name`)."""
    return ".py:" in use
