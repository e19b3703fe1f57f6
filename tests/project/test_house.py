"""The measurement of the tree counts what it says, and the documents show the tree of today."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from evidence import house_tree
from evidence.house import House, measure, table
from tests.command import ROOT

PACKAGE = ROOT / "icl_bench"
ROOMS = house_tree.rooms_in(PACKAGE)

TOY = {
    "__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from toy_house.low import f\n",
    "top.py": "def g():\n    from toy_house.low import f\n    import toy_house.low\n",
    "low.py": "import toy_house\nfrom toy_house.left import one\ndef f():\n" + "    pass\n" * 40,
    "left/__init__.py": "from toy_house.left import one\n",
    "left/one.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import toy_house.low\n",
    "ring_a.py": "import toy_house.ring_b\n",
    "ring_b.py": "import toy_house.ring_c\n",
    "ring_c.py": "import toy_house.ring_a\n" + "#\n" * 300,
    "page.css": "a\n" * 700,
    "weights/w.bin": "",
}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> House:
    root = tmp_path_factory.mktemp("root")
    for name, text in TOY.items():
        path = root / "toy_house" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root))
        return measure(root / "toy_house")


def test_rooms_are_files_and_folders_with_code(toy: House) -> None:
    assert toy.rooms == ("left", "low", "page", "ring_a", "ring_b", "ring_c", "top")


def test_an_arrow_is_counted_once_wherever_the_import_stands(toy: House) -> None:
    ring = {("ring_a", "ring_b"), ("ring_b", "ring_c"), ("ring_c", "ring_a")}
    others = {("top", "low"), ("low", "left"), ("left", "low"), ("low", "__init__"), ("__init__", "low")}
    assert set(toy.arrows) == ring | others
    assert toy.back_up == (("low", "__init__"),)


def test_circles_are_of_imports_that_run(toy: House) -> None:
    assert toy.circles == (("ring_a", "ring_b", "ring_c"),)


def test_sizes(toy: House) -> None:
    name, share = toy.biggest
    assert (name, share) == ("page", pytest.approx(700 / sum(toy.lines.values())))
    assert dict(toy.long_files) == {"page.css": 700, "ring_c.py": 301}
    assert dict(toy.long_functions) == {"low.py:f": 41}
    assert "run back up              1: low -> __init__" in table(toy)


def test_the_house_has_no_circles() -> None:
    house = measure(PACKAGE)
    assert set(house.rooms) <= ROOMS
    assert len(house.arrows) > len(house.rooms) > 10
    assert house.circles == ()


def shown(document: str) -> str:
    """Return the tree that a document shows: the one block that starts with the package's folder."""
    (block,) = re.findall(r"```\n(icl_bench/\n.*?)\n```", (ROOT / document).read_text(), flags=re.DOTALL)
    return str(block)


@pytest.mark.parametrize("document", house_tree.DOCUMENTS)
def test_the_tree_in_the_documents_is_the_tree(document: str) -> None:
    made = house_tree.DOCUMENTS[document](ROOT)
    assert shown(document) == made, "make it anew: python -m evidence.house --write"


def test_a_folder_that_a_move_left_behind_is_no_room(tmp_path: Path) -> None:
    for name in ("left/__pycache__/one.cpython-311.pyc", "data/w/w.bin", "one.py", "__init__.py", "py.typed"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert house_tree.rooms_in(tmp_path) == {"data", "one"}


def test_the_architecture_names_every_room() -> None:
    named = re.findall(r"^  (\w+)/? ", shown("docs/architecture.md"), flags=re.MULTILINE)
    assert sorted(named) == sorted(ROOMS)
    assert all(len(line.split()) > 2 for line in shown("docs/architecture.md").splitlines()[1:])


def test_the_table_of_rooms_in_contributing_names_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table_of_rooms = text.partition("## Where things are")[2].partition("\n## ")[0]
    cells = " ".join(line.split("|")[1] for line in table_of_rooms.splitlines() if line.startswith("|"))
    named = {re.split(r"[/.]", name)[0] for name in re.findall(r"`([^`]+)`", cells)}
    assert named >= ROOMS, "a line for each new room"
    assert named - ROOMS <= {path.stem for path in ROOT.iterdir()}, "rooms that are gone"


def test_a_class_name_means_one_thing() -> None:
    homes: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    assert len(homes) > 300
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}
