"""A results folder belongs to one run: what is of another, or of older tables, is never added to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from icl_bench import run_suite
from icl_bench.errors import NotComparableError, RunFolderError, TableError
from icl_bench.tables.schema import SCHEMA_VERSION
from tests.command import command


def edit(folder: Path, **fields: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def finished(small_suite: Path, tmp_path: Path) -> Path:
    run_suite(small_suite, tmp_path / "run", models=["ols"])
    return tmp_path / "run"


OLDER = f"holds tables of schema version {SCHEMA_VERSION - 1}, which are read and never added to, expected"
REFUSED = {
    "an older schema": ({"schema_version": SCHEMA_VERSION - 1}, OLDER),
    "an older schema with what is gone": ({"schema_version": SCHEMA_VERSION - 1, "splines": [1]}, OLDER),
    "an older schema with other forms": ({"schema_version": SCHEMA_VERSION - 1, "scenarios": None}, OLDER),
    "an older schema of another run": ({"schema_version": SCHEMA_VERSION - 1, "run_digest": "0"}, OLDER),
    "another suite": ({"run_digest": "0", "suite": "other"}, "holds results of the suite 'other' version 1, expected"),
    "another version": ({"run_digest": "0", "suite_version": 7}, "holds results of the suite 'small' version 7"),
    "other code": ({"run_digest": "0", "code_digest": "0"}, "holds results computed by another state of icl-bench"),
    "another device": ({"run_digest": "0", "device": "cuda"}, "holds results computed on cuda"),
    "other prompts": ({"run_digest": "0"}, "holds results of the suite 'small' with other prompts, scenarios"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_another_runs_folder_is_never_continued_in_place(name: str, finished: Path, small_suite: Path) -> None:
    fields, said = REFUSED[name]
    edit(finished, **fields)
    before = contents(finished)
    with pytest.raises(RunFolderError, match="another --out, or --fresh") as caught:
        run_suite(small_suite, finished)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2
    assert contents(finished) == before
    assert run_suite(small_suite, finished, fresh=True).complete


def test_the_command_ends_with_2_and_says_what_to_do(finished: Path, small_suite: Path) -> None:
    edit(finished, schema_version=1, dropped="a field that is gone")
    done = command("run", small_suite, "--executor", "serial", "--out", finished)
    assert done.exit_code == 2
    assert "schema version 1" in done.stderr
    assert "--out" in done.stderr
    assert "--fresh" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_newer_schema_and_a_damaged_manifest_are_told_as_such(finished: Path, small_suite: Path) -> None:
    edit(finished, schema_version=SCHEMA_VERSION + 1)
    with pytest.raises(NotComparableError, match="upgrade icl-bench"):
        run_suite(small_suite, finished)
    for text, said in (("[]", "is not a manifest"), ("{", "is damaged"), ('{"schema_version": "2"}', "not a manifest")):
        (finished / "manifest.json").write_text(text)
        with pytest.raises(TableError, match=said):
            run_suite(small_suite, finished)
