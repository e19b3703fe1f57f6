"""`--update`: HEAD becomes the baseline in BASE's folder; and the short digest that names a baseline's content."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from icl_bench.compare.cells import FAILED
from icl_bench.compare.metric import common_metric, loss_columns
from icl_bench.compare.settings import ALL
from icl_bench.digests import bytes_digest
from icl_bench.errors import IncompleteError, OutputError, UsageError
from icl_bench.tables.baseline import write_baseline
from icl_bench.tables.loss_sets import LossSet, StoredLosses
from icl_bench.tables.manifest import BASELINE, read_manifest, write_manifest
from icl_bench.tables.metric_roles import MetricRoles
from icl_bench.tables.schema import PROMPTS
from icl_bench.tables.score_table import read_score_rows, write_scores
from icl_bench.tables.stored_losses import open_losses

_OWN = ("manifest.json", "baseline.parquet", "scores.parquet", ".gitattributes", "README.md")


def check_baseline_folder(folder: Path) -> None:
    """Raise UsageError unless `folder` is a baseline, empty, or not there: a run is never overwritten."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"--update: {folder} is a file; give the folder of a baseline, or a new one")
    if (folder / "manifest.json").exists() and read_manifest(folder).kind != BASELINE:
        raise UsageError(
            f"--update would overwrite the run in {folder}; give the folder of a baseline, or a new one, as BASE"
        )
    others = [item.name for item in folder.iterdir() if item.name not in _OWN]
    if others:
        raise UsageError(
            f"--update: {folder} holds other files ({others[0]}); give the folder of a baseline, or a new one"
        )


def check_complete(head: StoredLosses, allow_missing: bool) -> None:
    """Raise IncompleteError when HEAD did not end or has failed cells, unless allowed; always when no cell is ok."""
    cells = [
        (loss_set, model, cell.status)
        for loss_set in head.sets
        for model, cell in loss_set.cells.items()
        if model != PROMPTS
    ]
    if not any(status == "ok" for _, _, status in cells):
        raise IncompleteError(f"--update: no cell of {head.folder} is ok: it would make a baseline of nothing")
    failed = [f"{model} on {loss_set.name} ({status})" for loss_set, model, status in cells if status in FAILED]
    if failed and not allow_missing:
        raise IncompleteError(
            f"--update: {len(failed)} cells of {head.folder} failed, such as {failed[0]}; mend them and run again,"
            " or give --allow-missing"
        )
    if head.manifest.status in ("running", "incomplete") and not allow_missing:
        raise IncompleteError(
            f"--update: {head.folder} is not complete ({head.manifest.status}); run its command again to continue it,"
            " or give --allow-missing"
        )


def update(folder: Path, head: StoredLosses, wanted_metric: str | None, sizes: str | None, allow_missing: bool) -> str:
    """Write HEAD as the baseline into `folder` and return the baseline's digest.

    Kept are the losses of one metric, what skill needs and what scores need of the prompts, at the headline context
    sizes unless `sizes` is `all`. Raises UsageError for a folder that is no baseline, IncompleteError for an
    incomplete HEAD, OutputError when the disk refuses.
    """
    check_baseline_folder(folder)
    check_complete(head, allow_missing)
    metric = common_metric(head, head, wanted_metric)
    columns = list(dict.fromkeys([metric, *_skill_losses(head), *_prompt_losses(head)]))
    kept = [loss_set.context_sizes if sizes == ALL else (loss_set.headline_size,) for loss_set in head.sets]
    rows = _thinned_scores(head, sizes == ALL)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror or error}; give another folder") from error
    write_baseline(folder, head, columns, kept)
    write_scores(folder / "scores.parquet", rows, head.manifest.schema_version)
    write_manifest(folder, dataclasses.replace(head.manifest, kind=BASELINE))  # last: it says that the rest is there
    return baseline_digest(open_losses(folder))


def _prompt_losses(losses: StoredLosses) -> tuple[str, ...]:
    """Return what is kept of the prompts: scores over runs, and the scale of the signal, need them."""
    return MetricRoles(losses.manifest.metric_cards).of_prompts


def _skill_losses(losses: StoredLosses) -> tuple[str, ...]:
    """Return what is kept of models for skill: their excess over Bayes, where the run stored it."""
    excess = MetricRoles(losses.manifest.metric_cards).excess
    return () if excess is None else (excess,)


def _thinned_scores(head: StoredLosses, all_sizes: bool) -> list[dict[str, Any]]:
    rows = read_score_rows(head.folder / "scores.parquet", head.manifest.metrics)
    return [row for row in rows if all_sizes or row["context_size"] is None or row["headline"]]


def baseline_digest(losses: StoredLosses) -> str:
    """Return eight hex digits of what a baseline holds: its prompt sets, what became of each cell, every loss.

    Of logical content: neither the file's layout nor where and when the run was made counts.
    """
    return bytes_digest(_contents(losses), 4)


def _contents(losses: StoredLosses) -> Iterator[bytes]:
    columns = [*loss_columns(losses), *_prompt_losses(losses)]
    for loss_set in losses.sets:
        yield _identity(loss_set)
        read = losses.read(loss_set, columns)
        for model in sorted(read):
            for column in sorted(read[model]):
                yield f"{model}/{column}".encode()
                yield np.ascontiguousarray(read[model][column], dtype="<f4").tobytes()


def _identity(loss_set: LossSet) -> bytes:
    statuses = {model: cell.status for model, cell in loss_set.cells.items()}
    parts = [
        loss_set.place.scenario,
        list(loss_set.place.severities),
        loss_set.seed,
        loss_set.n_prompts,
        list(loss_set.context_sizes),
    ]
    return json.dumps([*parts, list(loss_set.digests), statuses], sort_keys=True).encode()
