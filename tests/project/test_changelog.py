"""Fragments of the changelog are well formed, and a release folds them into a dated section."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.command import ROOT


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("changelog_script", ROOT / ".ci" / "changelog.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "changelog.d").mkdir()
    (tmp_path / "changelog.d" / "README.md").write_text("how")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 0.1.0 (2026-01-01)\n\n### Scores\n- None.\n")
    return tmp_path


def test_the_fragments_of_this_project_are_well_formed() -> None:
    assert script().problems(ROOT / "changelog.d") == []


def test_a_release_folds_the_fragments_into_a_dated_section(project: Path) -> None:
    (project / "changelog.d" / "b.changed.md").write_text("- Second,\n  in two lines.\n")
    (project / "changelog.d" / "a.changed.md").write_text("- First.\n")
    (project / "changelog.d" / "a.scores.md").write_text("- Moved.")
    assert script().main(["0.2.0"], project) == 0
    text = (project / "CHANGELOG.md").read_text()
    assert re.sub(r"\d{4}-\d\d-\d\d", "DAY", text, count=1) == (
        "# Changelog\n\n## 0.2.0 (DAY)\n\n### Added and changed\n- First.\n- Second,\n  in two lines.\n\n"
        "### Scores\n- Moved.\n\n## 0.1.0 (2026-01-01)\n\n### Scores\n- None.\n"
    )
    assert [path.name for path in (project / "changelog.d").iterdir()] == ["README.md"]


def test_without_a_version_the_section_is_printed_and_nothing_written(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "changelog.d" / "a.changed.md").write_text("- First.\n")
    before = (project / "CHANGELOG.md").read_text()
    assert script().main([], project) == 0
    assert capsys.readouterr().out == "## unreleased\n\n### Added and changed\n- First.\n"
    assert (project / "CHANGELOG.md").read_text() == before
    assert (project / "changelog.d" / "a.changed.md").exists()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.md", "- First.\n", "a.md: expected a name"),
        ("a.fixed.md", "- First.\n", "a.fixed.md: expected a name"),
        ("a.changed.md", "First.\n", "a.changed.md: expected bullets"),
        ("a.changed.md", "", "a.changed.md: expected bullets"),
        ("a.changed.md", "- First,\nand more.\n", "a.changed.md:2: expected"),
        ("a.changed.md", f"- {'x' * 120}\n", "at most 120 characters"),
    ],
)
def test_what_is_not_a_fragment_is_refused_and_nothing_written(
    project: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, expected: str
) -> None:
    (project / "changelog.d" / name).write_text(text)
    before = (project / "CHANGELOG.md").read_text()
    assert script().main(["0.2.0"], project) == 2
    assert expected in capsys.readouterr().err
    assert (project / "CHANGELOG.md").read_text() == before


def test_a_version_is_released_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert script().main(["0.1.0"], project) == 2
    assert "has a section 0.1.0 already" in capsys.readouterr().err
