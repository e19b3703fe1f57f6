"""The folder of a run: its lock, its units, and what is done already."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from icl_bench.errors import RunFolderError, TableError
from icl_bench.files import locked
from icl_bench.places import Place
from icl_bench.suites.plan import Block, PromptSet
from icl_bench.tables.baseline import FILE as BASELINE_FILE
from icl_bench.tables.manifest import BASELINE, Manifest, read_manifest
from icl_bench.tables.schema import PROMPTS, SCHEMA_VERSION
from icl_bench.tables.units import Stored, in_memory, verify_unit

Key = tuple[Place, int, int, str]
"""place, seed, block, model"""

_WAYS_OUT = "give another --out, or --fresh to delete what is there"

_OWN = ("manifest.json", "scores.parquet", "losses", "working", ".lock")

REPORT, COMPARISON = "report.html", "comparison"
_TOLD = (REPORT, *(f"{COMPARISON}.{ending}" for ending in ("md", "json", "xml")))
"""What is written beside the tables of a run, of the run as it then was."""


@dataclass(slots=True)
class RunFolder:
    """One run on disk, locked while it is open."""

    path: Path
    finished: dict[Key, Stored] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    @property
    def losses(self) -> Path:
        """Where units lie."""
        return self.path / "losses"

    @property
    def working(self) -> Path:
        """Where workers leave the name of the model they are asking."""
        return self.path / "working"

    def scan(self, run_digest: str, model_digests: dict[str, str], note: Callable[[str], None]) -> None:
        """Take in every sound unit of this run; a damaged one is set aside, and `note` is told."""
        for leftover in self.losses.glob(".*.tmp"):  # of a run that was killed while it wrote
            leftover.unlink(missing_ok=True)
        for path in sorted(self.losses.glob("*.parquet")):
            self._taken.add(path.name)
            try:
                header = in_memory(verify_unit(path))
            except TableError as error:
                aside = path.with_suffix(".damaged")
                path.rename(aside)
                note(f"{error}; it was set aside as {aside.name}, and its block is drawn and answered again")
                continue
            if header.run_digest != run_digest:
                path.unlink()  # of an older state of the code or suite; the manifest check lets only --fresh get here
                continue
            for outcome in header.outcomes:
                current = outcome.model == PROMPTS or model_digests.get(outcome.model) == outcome.model_digest
                if current and outcome.status in ("ok", "nan", "skipped"):
                    self.add(Stored(path, header, outcome))

    def add(self, stored: Stored) -> None:
        """Record one model's outcome on one block."""
        header = stored.header
        self.finished[header.place, header.seed, header.block, stored.outcome.model] = stored

    def lacking(self, block: Block) -> tuple[str, ...]:
        """Return the models of a block that have no outcome yet, `(prompts)` first among them."""
        wanted = (PROMPTS, *block.models)
        return tuple(model for model in wanted if self.get(block.prompt_set, block.block, model) is None)

    def get(self, prompt_set: PromptSet, block: int, model: str) -> Stored | None:
        """Return what is stored of one model on one block."""
        return self.finished.get((prompt_set.place, prompt_set.seed, block, model))

    def new_unit(self, block: Block) -> Path:
        """Return a path for a unit of `block` that no other unit has."""
        stem, part = block.prompt_set.file_stem(block.block), 0
        while f"{stem}_{part}.parquet" in self._taken:
            part += 1
        self._taken.add(f"{stem}_{part}.parquet")
        return self.losses / f"{stem}_{part}.parquet"


@contextlib.contextmanager
def open_run_folder(path: Path, manifest: Manifest, fresh: bool) -> Iterator[RunFolder]:
    """Create or continue a run folder, locked against a second run.

    Raises RunFolderError when it is in use, unwritable, holds something else, or another suite's results.
    """
    if (path / BASELINE_FILE).exists():
        raise RunFolderError(
            f"{path} holds a baseline, which only `icl-bench compare --update` writes: give another --out"
        )
    with locked(path):
        _check(path, manifest, fresh)
        folder = RunFolder(path)
        shutil.rmtree(folder.working, ignore_errors=True)  # an interrupted run's markers tell nothing any more
        for inner in (folder.losses, folder.working):
            inner.mkdir(exist_ok=True)
        yield folder
        shutil.rmtree(folder.working, ignore_errors=True)


def _check(path: Path, manifest: Manifest, fresh: bool) -> None:
    """Refuse a folder that is not this run's, or whose tables are older; empty it of an older run when `fresh`.

    The manifest goes last: a folder that was emptied in part is still known to be a run's.
    """
    others = [item.name for item in path.iterdir() if item.name not in _OWN]
    has_manifest = (path / "manifest.json").exists()
    if others and not has_manifest:
        raise RunFolderError(
            f"{path} holds other files ({others[0]}) and no run; expected an empty or a new folder: give another --out"
        )
    if fresh:
        for name in ("losses", "working"):
            shutil.rmtree(path / name, ignore_errors=True)
        for name in (*(_TOLD if has_manifest else ()), "scores.parquet", "manifest.json"):
            (path / name).unlink(missing_ok=True)
        return
    if has_manifest:
        _check_continued(path, manifest)


def check_replaceable(path: Path, suite: str) -> str | None:
    """Return when the run in a folder was started, which a fresh run of `suite` would delete; None where none is.

    Raises RunFolderError for what nobody meant to be deleted: a file, a baseline, another suite's run, whatever is no
    run of icl-bench.
    """
    if path.exists() and not path.is_dir():
        raise RunFolderError(f"{path} is a file; expected a new folder, or one with an earlier run: give another --out")
    held = [item.name for item in path.iterdir() if item.name != ".lock"] if path.exists() else []
    if not held:
        return None
    fields = _manifest_fields(path)
    if BASELINE_FILE in held or fields.get("kind") == BASELINE:
        raise RunFolderError(f"{path} holds a baseline, which is never run into: give another --out")
    if not {"schema_version", "run_digest", "suite"} <= set(fields):
        raise RunFolderError(
            f"{path} holds {held[0]} and no run of icl-bench; it would be deleted: give another --out, or remove it"
        )
    if fields["suite"] != suite:
        raise RunFolderError(
            f"{path} holds a run of the suite {fields['suite']!r}, which a run of {suite!r} would delete: give another"
            " --out, or remove it"
        )
    return str(fields.get("started", ""))


def _check_continued(path: Path, manifest: Manifest) -> None:
    """Refuse to add to tables of an older schema, and to results of another run."""
    version = _schema_version(path)
    if version is not None and version < SCHEMA_VERSION:
        raise RunFolderError(
            f"{path} holds tables of schema version {version}, which are read and never added to, expected"
            f" {SCHEMA_VERSION}; {_WAYS_OUT}"
        )
    older = read_manifest(path)
    if (older.run_digest, older.schema_version) == (manifest.run_digest, manifest.schema_version):
        return
    if older.suite != manifest.suite or older.suite_version != manifest.suite_version:
        what = f"results of the suite {older.suite!r} version {older.suite_version}"
    elif older.schema_version != manifest.schema_version:
        what = f"tables of schema version {older.schema_version}, where this icl-bench writes {manifest.schema_version}"
    elif older.code_digest != manifest.code_digest:
        what = "results computed by another state of icl-bench's code"
    elif older.device != manifest.device:
        what = f"results computed on {older.device}"
    else:
        changed = "with other prompts, scenarios (or their files), metrics or training law"
        what = f"results of the suite {older.suite!r} {changed}"
    raise RunFolderError(
        f"{path} holds {what}, expected {manifest.suite!r} version {manifest.suite_version} on {manifest.device};"
        f" {_WAYS_OUT}"
    )


def _schema_version(path: Path) -> int | None:
    """Return the schema version of a run, whatever else its manifest holds; None where none can be read."""
    version = _manifest_fields(path).get("schema_version")
    return version if isinstance(version, int) else None


def _manifest_fields(path: Path) -> Mapping[str, Any]:
    """Return what the manifest of a folder holds, of whatever schema; nothing where it cannot be read."""
    try:
        fields = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # told by `read_manifest`
    return fields if isinstance(fields, dict) else {}
