"""What ships with icl-bench, and where it lies: suites and recipes by name, weights, the package's own folder."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

from icl_bench.errors import InstallationError, UsageError
from icl_bench.names import nearest

SUITES = "suites"
RECIPES = "recipes"

Kept = TypeVar("Kept")


def package_root() -> Path:
    """Return the folder of the package `icl_bench`: the one place that counts how deep a module lies."""
    return Path(__file__).parent


def zoo() -> Path:
    """Return the folder of the weights that ship, a folder for each."""
    return package_root() / "zoo"


def weights() -> Mapping[str, Path]:
    """Return name -> card of the trained networks that ship; InstallationError when there is none."""
    return present("weights", zoo(), {card.parent.name: card for card in sorted(zoo().glob("*/card.toml"))})


@cache
def files(kind: str) -> Mapping[str, Path]:
    """Return name -> file of the suites or recipes (`kind`) that ship; InstallationError when there is none.

    A wheel holds them inside the package, where setup.py copies them; in the repository they are at the root.
    """
    inside = package_root() / "shipped_files" / kind
    folder = inside if inside.is_dir() else package_root().parent / kind
    return present(kind, folder, {path.stem: path for path in sorted(folder.glob("*.toml"))})


def present(kind: str, folder: Path, found: Mapping[str, Kept]) -> Mapping[str, Kept]:
    """Return what was `found` in `folder`; InstallationError when it is nothing: an empty list would go unnoticed."""
    if not found:
        raise InstallationError(f"none of the {kind} that ship with icl-bench is in {folder}: install it again")
    return found


def suite_file(argument: Path) -> Path:
    """Return the suite that a command was given: a file, or one that ships by name (`quick`).

    Raises UsageError, with a near miss and every name, for a bare name that is neither.
    """
    return _file(SUITES, argument)


def recipe_file(argument: Path) -> Path:
    """Return the training recipe that a command was given: a file, or one that ships by name; UsageError as above."""
    return _file(RECIPES, argument)


def _file(kind: str, argument: Path) -> Path:
    name = str(argument)
    if name != argument.name or argument.suffix or argument.is_file():
        return argument  # a path; whoever reads it says what is wrong with it
    known = files(kind)
    if name in known:
        return known[name]
    own = Path(kind) / f"{name}.toml"
    near = f" (did you mean {own}?)" if own.is_file() else nearest(name, list(known))
    raise UsageError(
        f"no {kind.removesuffix('s')} that ships is called {name!r}{near}; expected a file (./{name}.toml) or one of"
        f" {', '.join(known)}"
    )
