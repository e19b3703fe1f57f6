"""From a name to an instance: a plugin's file imported, its arguments checked, its class built."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from icl_bench.digests import bytes_digest
from icl_bench.errors import MOVED, PluginError, UsageError
from icl_bench.names import nearest
from icl_bench.plugins.arguments import argument_problems, file_arguments
from icl_bench.plugins.catalogue import KINDS, find, is_file_reference
from icl_bench.plugins.moved import PAGE, moved_to


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
        attribute = entry.attribute or KINDS[kind].attribute
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


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise PluginError(f"no such file: {path}; expected `./file.py:Name` relative to the file that names it")
    source = bytes_digest([path.read_bytes(), str(path.resolve()).encode()], 8)
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
    """Return why an import failed; what it wanted of ours that is elsewhere now is told where."""
    text = f"{type(error).__name__}: {error}"
    if not isinstance(error, ImportError) or (error.name or "").split(".")[0] != "icl_bench":
        return text
    place = moved_to(error)
    return f"{text}; {place} ({PAGE} lists what moved)" if place else f"{text}; {MOVED}"
