"""The code digest covers what moves a number of a row, and every part of the package is on one side or the other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from evidence.house_tree import rooms_in
from icl_bench.assembly.identity import ANSWERS, READS, code_digest
from icl_bench.shipped import package_root

NAMED = sorted([*ANSWERS, *READS])


def parts() -> list[str]:
    """Return every room, or its modules where the sets name modules of it."""
    found = ["__init__"]
    for room in rooms_in(package_root()):
        if any(name.startswith(f"{room}/") for name in NAMED):
            inside = [path for path in sorted((package_root() / room).iterdir()) if path.stem[:2] != "__"]
            found += [f"{room}/{path.stem}" for path in inside]
        else:
            found.append(room)
    return sorted(found)


PARTS = parts()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package's code that a test may edit."""
    skipped = shutil.ignore_patterns("__pycache__", "*.safetensors")
    return Path(shutil.copytree(package_root(), tmp_path_factory.mktemp("copy") / "icl_bench", ignore=skipped))


def test_every_module_and_folder_answers_or_reads() -> None:
    assert len(PARTS) > 10
    assert NAMED == PARTS, "name a new part in exactly one of ANSWERS and READS"


def test_a_copy_of_the_code_has_the_same_digest(package: Path) -> None:
    assert code_digest(package) == code_digest()


@pytest.mark.parametrize("part", PARTS)
def test_the_digest_changes_with_what_answers_and_only_with_that(package: Path, part: str) -> None:
    folder = package / part
    file = max(folder.rglob("*.py"), default=folder / "own.py") if folder.is_dir() else package / f"{part}.py"
    text = file.read_text() if file.exists() else ""  # the zoo holds weights alone, each with a digest of its own
    file.write_text(f"{text}\n# edited\n")
    code_digest.cache_clear()
    changed = code_digest(package) != code_digest()
    file.write_text(text)
    assert changed == (part in ANSWERS), file


def test_a_part_that_is_gone_is_no_empty_part(package: Path) -> None:
    (package / "seeding.py").rename(package / "streams.py")
    code_digest.cache_clear()
    with pytest.raises(FileNotFoundError, match=r"seeding\.py"):
        code_digest(package)
    (package / "streams.py").rename(package / "seeding.py")
