"""`icl-bench compare` in every format: well-formed whatever the names, within its room, the verdict first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from icl_bench.compare.github import shortened_to
from tests.synthetic_runs import WORSE, Synthetic, invoke

HOSTILE = '</testcase>&"\x1b[31m:,%\n::error::x|<b>'


def hostile(folder: Path) -> tuple[Path, Path]:
    return tuple(  # type: ignore[return-value]
        Synthetic({HOSTILE: factor, "one": 1.0}).write(folder / name) for name, factor in (("base", 1.0), ("head", 1.1))
    )


def test_junit_is_well_formed_whatever_the_names(tmp_path: Path) -> None:
    done = invoke(*hostile(tmp_path), "--format", "junit")
    assert done.exit_code == 1
    root = ElementTree.fromstring(done.stdout)
    assert {suite.get("name") for suite in root} == {"base", "covariate/scale"}
    assert (root.get("tests"), root.get("failures")) == ("6", "3")
    assert len(root.findall(".//failure")) == 3
    lacking = Synthetic({HOSTILE: 1.0, "one": 1.0}, status={("one", "base"): "error"}).write(tmp_path / "lacking")
    root = ElementTree.fromstring(invoke(tmp_path / "base", lacking, "--format", "junit").stdout)
    assert root.find(".//error") is not None


def test_github_gets_escaped_commands_and_a_summary(tmp_path: Path) -> None:
    base, head = hostile(tmp_path)
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    done = invoke(base, head, "--format", "github", GITHUB_STEP_SUMMARY=str(summary))
    assert done.exit_code == 1
    *commands, verdict = done.stdout.splitlines()
    assert len(commands) == 3
    assert verdict.startswith("REGRESSION")
    for command in commands:
        level, _, rest = command.removeprefix("::").partition(" title=")
        title, _, message = rest.partition("::")
        assert level == "error"
        assert title.startswith("Regression%3A ")
        assert "," not in title
        assert "%" in message
    text = summary.read_text()
    assert text.startswith("before\n## REGRESSION")
    assert "\\<b\\>" in text
    assert "\x1b" not in text


def test_no_more_than_ten_annotations_of_a_kind(tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(14)]
    base = Synthetic(dict.fromkeys(names, 1.0), places=(("base", None),)).write(tmp_path / "base")
    head = Synthetic(dict.fromkeys(names, 1.2), places=(("base", None),)).write(tmp_path / "head")
    commands = invoke(base, head, "--format", "github").stdout.splitlines()[:-1]
    assert len(commands) == 10
    assert commands[-1].startswith("::error title=and 5 more::")


@given(st.text(max_size=400), st.integers(0, 600))
def test_a_summary_is_cut_to_its_room(text: str, room: int) -> None:
    text = text.encode("utf-8", "ignore").decode()
    kept = shortened_to(text, room)
    assert len(kept.encode()) <= room
    assert kept == text or len(text.encode()) > room


@pytest.mark.parametrize("width", [80, 140])
def test_the_terminal_fits_and_says_the_verdict_first(made: Callable[..., Path], width: int) -> None:
    long = "a-rather-long-name-of-a-model-that-somebody-thought-of"
    base, head = Synthetic({long: 1.0, "two": 1.0}), Synthetic({long: 1.3, "two": 0.9})
    done = invoke(made("base", base), made("head", head), "--verbose", COLUMNS=str(width))
    lines = done.stdout.splitlines()
    assert lines[0].startswith("REGRESSION: 3 of 6 cells")
    assert max(map(cell_len, lines)) <= width
    assert {"Regressions", "Improvements", "Every cell"} <= set(lines)


def test_markdown_has_the_same_tables_and_out_writes_it(made: Callable[..., Path], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    done = invoke(made("base"), made("head", WORSE), "--format", "markdown", "--out", page)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "REGRESSION" in done.stderr
    text = page.read_text()
    assert text.startswith("## REGRESSION: 3 of 6 cells got worse by more than 1%")
    assert "| model | scenario | change |" in text
