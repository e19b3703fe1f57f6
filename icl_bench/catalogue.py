"""What there is: built-in plugins (the file name is the name), entry points, and plugins in a user's own file.

Listing imports nothing: names come from the tree, summaries from the first line of each file.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, get_args, get_type_hints

from icl_bench.errors import MOVED, PluginError, UsageError, nearest
from icl_bench.shipped import package_root, present, weights, zoo

KINDS = {
    "models": "MODEL",
    "scenarios": "SCENARIO",
    "metrics": "METRIC",
    "executors": "EXECUTOR",
    "function_classes": "FUNCTION_CLASS",
}


ZOO = "zoo:"
"""Begins a path to weights that ship with icl-bench."""


def files_in(path: Path) -> Sequence[Path]:
    """Return the file at `path`, or the files of the folder (not of folders inside it), hidden ones left out."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))


@dataclass(frozen=True, slots=True)
class FileArgument:
    """Marks an argument of a plugin as the path of a file or folder: `path: Annotated[str, FileArgument()]`.

    Such a path is relative to the suite file, or `zoo:NAME` for what ships, and its content is part of the model's
    identity: `content` gives the files that count. With `plugin` the argument names a plugin, and is a path only when
    it is `./file.py:Name`.
    """

    content: Callable[[Path], Sequence[Path]] = files_in
    plugin: bool = False

    def __repr__(self) -> str:
        return "name or ./file.py:Name" if self.plugin else "path"


FilePath = Annotated[str, FileArgument()]
"""An argument that is a path, all of whose content counts."""


@dataclass(frozen=True, slots=True)
class Entry:
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


def _built_in(kind: str) -> Mapping[str, Entry]:
    root = package_root() / kind
    entries: dict[str, Entry] = {}
    for path in sorted(root.rglob("*.py")):
        if path.name == "__init__.py":
            continue
        relative = path.relative_to(root).with_suffix("")
        name = relative.as_posix() if kind == "scenarios" else relative.name
        module = ".".join(["icl_bench", kind, *relative.parts])
        entries[name] = Entry(kind, name, module, _first_line(path))
    return present(kind, root, entries)


def _installed(kind: str) -> dict[str, Entry]:
    from importlib.metadata import entry_points

    entries = {}
    for point in entry_points(group=f"icl_bench.{kind}"):
        package = point.dist.name if point.dist else "?"
        entries[point.name] = Entry(kind, point.name, point.module, f"(from {package})", point.attr or None)
    return entries


def is_foreign(kind: str, use: str) -> bool:
    """Tell whether a plugin comes from outside icl-bench, so that it is held to its contracts where it is used."""
    return is_file_reference(use) or not find(kind, use).built_in


@cache
def entries(kind: str) -> Mapping[str, Entry]:
    """Return every plugin of `kind` by name; a built-in name cannot be taken over by an entry point."""
    if kind not in KINDS:
        raise PluginError(
            f"no such kind of plugin: {kind!r}; expected one of {', '.join(KINDS)}{nearest(kind, list(KINDS))}"
        )
    return {**_installed(kind), **_built_in(kind)}


def find(kind: str, name: str) -> Entry:
    """Return the entry called `name`; PluginError names a near miss."""
    known = entries(kind)
    if name not in known:
        raise PluginError(
            f"no {kind.removesuffix('s').replace('classe', 'class')} is called {name!r}{nearest(name, list(known))};"
            f" `icl-bench list {kind}` shows all, and `./file.py:Name` takes one from your own file"
        )
    return known[name]


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise PluginError(f"no such file: {path}; expected `./file.py:Name` relative to the file that names it")
    source = hashlib.blake2b(path.read_bytes() + str(path.resolve()).encode(), digest_size=8).hexdigest()
    name = f"icl_bench_user_{path.stem}_{source}"  # an edited file is another module
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} cannot be imported: expected a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise PluginError(f"{path} fails on import: {_import_failure(error)}") from error
    return module


def _import_failure(error: BaseException) -> str:
    """Return why an import failed; what it wanted from a place of ours that is gone is said to have moved."""
    text = f"{type(error).__name__}: {error}"
    gone = isinstance(error, ImportError) and (error.name or "").split(".")[0] == "icl_bench"
    return f"{text}; {MOVED}" if gone else text


def is_file_reference(use: str) -> bool:
    """Tell whether `use` names a plugin in a user's own file (`./file.py:Name`)."""
    return ".py:" in use


def plugin_class(kind: str, use: str, folder: Path | None = None) -> Any:
    """Return the class that `use` names: a catalogue name, or `./file.py:Name` relative to `folder`.

    Raises PluginError when it cannot be found or imported.
    """
    if is_file_reference(use):
        file, _, attribute = use.rpartition(":")
        module = _import_file((folder or Path.cwd()) / file)
        where = file
    else:
        entry = find(kind, use)
        attribute = entry.attribute or KINDS[kind]
        where = entry.module
        try:
            module = importlib.import_module(entry.module)
        except (Exception, SystemExit) as error:
            raise PluginError(f"{use!r} fails on import: {_import_failure(error)}") from error
    if not hasattr(module, attribute):
        public = [name for name, value in vars(module).items() if inspect.isclass(value)]
        raise PluginError(f"{where} has no {attribute!r}{nearest(attribute, public)}")
    found = getattr(module, attribute)
    if not callable(found):
        raise PluginError(f"{attribute!r} in {where}: expected a class, got {type(found).__name__}")
    return found


def build(kind: str, use: str, arguments: Mapping[str, Any], folder: Path | None = None) -> Any:
    """Return an instance of the plugin that `use` names, its arguments checked against its signature.

    Paths among them (`FileArgument`) are relative to `folder`. Raises PluginError for unknown, missing or ill-typed
    arguments, all named at once.
    """
    cls = plugin_class(kind, use, folder)
    problems = argument_problems(cls, arguments, folder or Path.cwd())
    if problems:
        raise PluginError("; ".join(f"{use}: {problem}" for problem in problems))
    paths = file_arguments(cls, arguments, folder)
    resolved = {
        name: f"{path}:{arguments[name].rpartition(':')[2]}" if marker.plugin else str(path)
        for name, (path, marker) in paths.items()
    }
    try:
        return cls(**{**arguments, **resolved})
    except (UsageError, KeyboardInterrupt):
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f"{use} cannot be built: {type(error).__name__}: {error}") from error


def argument_problems(cls: Any, arguments: Mapping[str, Any], folder: Path | None = None) -> list[str]:
    """Return what is wrong with `arguments` for the signature of `cls`; empty when nothing is.

    With `folder`, paths (`FileArgument`) must exist relative to it.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    parameters = signature_of(cls)
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    named = [name for name, parameter in parameters.items() if parameter.kind is not parameter.VAR_KEYWORD]
    problems = []
    for name, value in arguments.items():
        if name not in named:
            if not takes_any:
                listed = ", ".join(named) or "none"
                problems.append(f"unknown argument {name!r}{nearest(name, named)}; it takes: {listed}")
            continue
        annotation = parameters[name].annotation
        if annotation is inspect.Parameter.empty or isinstance(annotation, str):
            continue
        config = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)
        try:
            wanted = TypeAdapter(annotation, config=config)
        except Exception:  # an annotation that says nothing of values: whatever is given is tried
            continue
        try:
            wanted.validate_python(value)
        except ValidationError:
            problems.append(f"argument {name!r}: expected {_spelled(annotation)}, got {value!r}")
    paths = {} if folder is None else file_arguments(cls, arguments, folder)
    for name, (path, _) in paths.items():
        problems.extend(filter(None, [_missing(name, arguments[name], path)]))
    for name in named:
        if parameters[name].default is inspect.Parameter.empty and name not in arguments:
            problems.append(f"argument {name!r} is missing: expected {_spelled(parameters[name].annotation)}")
    return problems


def file_arguments(cls: Any, arguments: Mapping[str, Any], folder: Path | None) -> dict[str, tuple[Path, FileArgument]]:
    """Return where each argument marked as a `FileArgument` points to; text arguments alone."""
    found = {}
    for name, parameter in signature_of(cls).items():
        marker, value = _marker(parameter.annotation), arguments.get(name)
        if marker is None or not isinstance(value, str):
            continue
        if marker.plugin:
            if not is_file_reference(value):
                continue
            value = value.rpartition(":")[0]
        if value.startswith(ZOO):
            path = zoo() / value.removeprefix(ZOO)
        else:
            path = (folder or Path.cwd()) / os.path.expanduser(value)
        found[name] = (path, marker)
    return found


def _marker(annotation: Any) -> FileArgument | None:
    """Return the mark of an annotation such as `FilePath` or `FilePath | None`."""
    if isinstance(annotation, FileArgument):
        return annotation
    inner = [*getattr(annotation, "__metadata__", ()), *get_args(annotation)]
    return next((marker for marker in map(_marker, inner) if marker is not None), None)


def _missing(name: str, value: str, path: Path) -> str:
    """Return why a path argument leads nowhere; empty when it leads somewhere."""
    if not value.startswith(ZOO):
        return "" if path.exists() else f"argument {name!r}: no such file or folder: {path}"
    known = list(weights())
    wanted = value.removeprefix(ZOO)
    if wanted in known:
        return ""
    listed = ", ".join(known) or "none"
    return f"argument {name!r}: no weights that ship are called {wanted!r}{nearest(wanted, known)}; expected: {listed}"


def signature_of(cls: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters that building `cls` takes, with evaluated annotations where they can be."""
    try:
        return dict(inspect.signature(cls, eval_str=True).parameters)
    except Exception:  # fields inherited from another module, whose names this one does not know; odd annotations
        pass
    try:
        parameters = inspect.signature(cls).parameters
    except (TypeError, ValueError) as error:
        raise PluginError(f"{getattr(cls, '__name__', cls)}: expected a class with a signature: {error}") from error
    try:
        hints = get_type_hints(cls, include_extras=True)
    except Exception:
        hints = {}
    return {name: item.replace(annotation=hints.get(name, item.annotation)) for name, item in parameters.items()}


def _spelled(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return "a value"
    marker = _marker(annotation)
    if marker is not None:
        return "a name or ./file.py:Name" if marker.plugin else "a path"
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
