"""What building a plugin takes: arguments held to its signature, and those among them that are paths."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

from icl_bench.errors import PluginError
from icl_bench.names import nearest
from icl_bench.plugins.catalogue import is_file_reference
from icl_bench.shipped import weights, zoo

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
