"""The tree, measured from the code's own imports: `python -m evidence.house [ROOT] [--json | --tree | --write]`.

- A room is a file or folder with Python code directly in `icl_bench/`; the face, `icl_bench/__init__.py`, is none.
- An arrow is one room (or the face) that imports another, however many imports it is made of: those inside functions
  and under TYPE_CHECKING count, since a reader must follow them too.
- An arrow runs back up when it leads from a room to the face, and the face leads to that room.
- A circle is a set of rooms that all lead to each other by imports that run, those under TYPE_CHECKING left out.
- A room's size is its share of the lines of code, Python and the page's; a function runs from `def` to its last line.

`--tree` prints every room with what it is; `--write` puts that tree into the documents that show it.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import grimp

from evidence import house_tree

ROOT = Path(__file__).resolve().parent.parent
FACE = "__init__"
CODE = (".py", ".css", ".html", ".js", ".j2")
LONGEST_FILE = 300
LONG_FUNCTIONS = (40, 70)


@dataclass(frozen=True)
class House:
    """One measurement; names are relative to the package."""

    rooms: tuple[str, ...]
    arrows: tuple[tuple[str, str], ...]  # importer, imported
    back_up: tuple[tuple[str, str], ...]
    circles: tuple[tuple[str, ...], ...]
    lines: Mapping[str, int]  # room -> lines of code
    long_files: Mapping[str, int]  # those over 300 lines
    long_functions: Mapping[str, int]  # `file:name` of those over 40 lines

    @property
    def biggest(self) -> tuple[str, float]:
        """The largest room, and its share of all lines."""
        name = max(self.lines, key=lambda room: self.lines[room])
        return name, self.lines[name] / sum(self.lines.values())


def measure(package: Path) -> House:
    """Return the measurement of the package in a folder, whose parent must be the first place Python imports from."""
    arrows = _arrows(package.name, type_checking=True)
    below_face = _reached(FACE, arrows)
    code = [path for path in sorted(package.rglob("*")) if path.suffix in CODE]
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in code}
    lines: Counter[str] = Counter()
    for path, length in lengths.items():
        lines[path.relative_to(package).with_suffix("").parts[0]] += length
    return House(
        rooms=tuple(sorted(set(lines) - {FACE})),
        arrows=tuple(sorted(arrows)),
        back_up=tuple(sorted((one, other) for one, other in arrows if other == FACE and one in below_face)),
        circles=tuple(_circles(_arrows(package.name, type_checking=False))),
        lines=dict(lines),
        long_files={_name(path, package): length for path, length in lengths.items() if length > LONGEST_FILE},
        long_functions=dict(_long_functions(package)),
    )


def _name(path: Path, package: Path) -> str:
    return path.relative_to(package).as_posix()


def _arrows(package: str, type_checking: bool) -> set[tuple[str, str]]:
    graph = grimp.build_graph(package, exclude_type_checking_imports=not type_checking, cache_dir=None)
    found = {
        (_room(importer), _room(imported))
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
    }
    return {(one, other) for one, other in found if one != other}


def _room(module: str) -> str:
    """Return the room of a module such as `icl_bench.laws.law`."""
    return module.split(".")[1] if "." in module else FACE


def _reached(start: str, arrows: set[tuple[str, str]]) -> set[str]:
    """Return every room that `start` leads to, by however many arrows."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        room = waiting.pop()
        further = {other for one, other in arrows if one == room} - reached
        reached |= further
        waiting.extend(further)
    return reached


def _circles(arrows: set[tuple[str, str]]) -> Iterator[tuple[str, ...]]:
    rooms = sorted({room for arrow in arrows for room in arrow})
    reached = {room: _reached(room, arrows) for room in rooms}
    for room in rooms:
        circle = tuple(other for other in rooms if other in reached[room] and room in reached[other])
        if circle and circle[0] == room:
            yield circle


def _long_functions(package: Path) -> Iterator[tuple[str, int]]:
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > min(LONG_FUNCTIONS):
                    yield f"{_name(path, package)}:{node.name}", length


def table(house: House) -> str:
    """Return the measurement as text."""
    biggest, share = house.biggest
    longest = [f"{name} {length}" for name, length in _longest(house.long_files)]
    rows = [
        ("rooms", str(len(house.rooms))),
        ("arrows", str(len(house.arrows))),
        ("run back up", _listed([f"{one} -> {other}" for one, other in house.back_up])),
        ("circles", _listed([" - ".join(circle) for circle in house.circles])),
        ("biggest room", f"{biggest} {share:.0%}"),
        (f"files over {LONGEST_FILE} lines", _listed(longest)),
        *(
            (
                f"functions over {limit} lines",
                _listed([f"{name} {length}" for name, length in _longest(house.long_functions) if length > limit]),
            )
            for limit in LONG_FUNCTIONS
        ),
    ]
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"{name:<{width}}{value}" for name, value in rows)


def _longest(lengths: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(lengths.items(), key=lambda item: (-item[1], item[0]))


def _listed(items: list[str]) -> str:
    return f"{len(items)}: {', '.join(items)}" if items else "0"


def main() -> None:
    """Print the measurement."""
    parser = argparse.ArgumentParser(description="Measure the tree.")
    parser.add_argument("root", nargs="?", type=Path, default=ROOT, help="folder that holds icl_bench/")
    parser.add_argument("--json", action="store_true", help="print the whole measurement as JSON")
    parser.add_argument("--tree", action="store_true", help="print the rooms with what each is")
    parser.add_argument("--write", action="store_true", help="put the tree into the documents that show it")
    given = parser.parse_args()
    if given.write:
        house_tree.write(given.root)
    elif given.tree:
        print(house_tree.tree(given.root))
    else:
        sys.path.insert(0, str(given.root.resolve()))
        house = measure(given.root / "icl_bench")
        print(json.dumps(asdict(house), indent=1) if given.json else table(house))


if __name__ == "__main__":
    main()
