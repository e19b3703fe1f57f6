"""The tree as documents show it, made from pyproject.toml's layers and the docstrings.

The rooms stand from top to bottom in the order of the layers: `python -m evidence.house --write` puts them into the
documents, and a test holds the documents to it.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

FACE = "__init__"
WITHOUT_CODE = {"zoo": "Trained networks that ship, a folder for each: weights, card, recipe."}


def layers(root: Path) -> list[list[str]]:
    """Return the rooms of each layer, top to bottom, as pyproject.toml has them."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (texts,) = (contract["layers"] for contract in contracts if contract.get("containers") == ["icl_bench"])
    return [re.split(r"\s*[|:]\s*", text) for text in texts]


def layer_lines(root: Path) -> str:
    """Return a line for each layer; a room imports only what is on lines below its own."""
    return "\n".join(["icl_bench/", *(f"  {' '.join(rooms)}" for rooms in layers(root))])


def tree(root: Path) -> str:
    """Return a line for each room, layer by layer: what it is, in the first line of its docstring."""
    package = root / "icl_bench"
    placed = [room for layer in layers(root) for room in layer]
    present = rooms_in(package)
    rooms = [(room, package / room) for room in [*placed, *sorted(present - set(placed))]]
    names = [f"{room}/" if path.is_dir() else room for room, path in rooms]
    width = max(map(len, names)) + 2
    return "\n".join(
        ["icl_bench/", *(f"  {name:<{width}}{_what(path)}" for name, (_, path) in zip(names, rooms, strict=True))]
    )


def rooms_in(package: Path) -> set[str]:
    """Return every room that is there; a folder that only holds what Python compiled was left behind by a move."""
    return {path.stem for path in package.iterdir() if path.suffix == ".py" or _is_folder(path)} - {FACE}


def _is_folder(path: Path) -> bool:
    return any(file.is_file() and "__pycache__" not in file.parts for file in path.rglob("*"))


def _what(path: Path) -> str:
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.exists():
        return WITHOUT_CODE.get(path.name, "files without code")
    return (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def write(root: Path) -> None:
    """Put the tree of today into the documents: each replaces its one fenced block that starts with `icl_bench/`."""
    for document, block in DOCUMENTS.items():
        path = root / document
        parts = re.split(r"(?<=```\n)icl_bench/\n.*?(?=\n```)", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        if len(parts) != 2:
            raise SystemExit(f"{path}: expected one block that starts with icl_bench/, found {len(parts) - 1}")
        path.write_text(block(root).join(parts), encoding="utf-8")


DOCUMENTS = {"README.md": layer_lines, "docs/architecture.md": tree}
"""Which documents show the house, and how: the layers by name, or every room with what it is."""
