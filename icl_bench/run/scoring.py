"""Scoring a run: the finished cells of its folder become scores.parquet, and the manifest says how complete it is."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from icl_bench.digests import combined_digest
from icl_bench.plugins.protocols import Executor, Outcome
from icl_bench.run.folder import RunFolder
from icl_bench.scores.cells import MetricColumns, ScoredSet, ScoringJob, score_prompt_set
from icl_bench.scores.looked_up import Judging
from icl_bench.suites.plan import Plan, PromptSet, make_plan
from icl_bench.suites.suite import Suite
from icl_bench.tables.manifest import Manifest
from icl_bench.tables.schema import LOOKED_UP, PROMPTS
from icl_bench.tables.score_table import write_scores
from icl_bench.tables.units import Stored


def score_run(
    suite: Suite,
    plan: Plan,
    folder: RunFolder,
    manifest: Manifest,
    pool: Executor,
    note: Callable[[str], None],
) -> Manifest:
    """Write scores.parquet from all finished cells of the suite; return the manifest with digests and counts.

    `note` is told where answers show that a Bayes prediction is wrong.
    """
    columns = tuple(MetricColumns(label, card) for label, card in manifest.metric_cards.items())
    finished = dict(_finished_cells(suite, folder))
    jobs = [
        ScoringJob(number, suite.name, suite.version, columns, cells) for number, cells in enumerate(finished.values())
    ]
    rows = _judged_rows(_in_order(pool.map(score_prompt_set, jobs, None)), note)
    write_scores(folder.path / "scores.parquet", list(itertools.chain.from_iterable(rows)))
    digests = {
        prompt_set.key: combined_digest(stored.header.prompt_digest for stored in next(iter(cells.values())))
        for prompt_set, cells in finished.items()
    }
    counts = _counts(plan, finished, rows)
    status = "complete" if not any(counts[name] for name in ("failed", "missing", LOOKED_UP)) else "incomplete"
    return dataclasses.replace(manifest, prompt_digests=digests, cells=dict(counts), status=status)


def _counts(
    plan: Plan, finished: Mapping[PromptSet, Mapping[str, Any]], rows: Sequence[Sequence[Mapping[str, Any]]]
) -> Counter[str]:
    """Return how many of the plan's cells are ok, skipped, looked up, failed and missing; `rows` are of `finished`."""
    counts: Counter[str] = Counter(planned=plan.n_cells, missing=0)
    of_set = dict(zip(finished, rows, strict=True))
    for prompt_set in plan.prompt_sets:
        failed = {
            row["model"]: row["status"]
            for row in of_set.get(prompt_set, ())
            if row["metric"] is None or row["status"] == LOOKED_UP
        }
        for model in plan.models:
            known = model in finished.get(prompt_set, ())
            counts[_bucket(failed.get(model, "ok")) if known else "missing"] += 1
    return counts


def _bucket(status: str) -> str:
    return status if status in ("ok", "skipped", LOOKED_UP) else "failed"


def _judged_rows(scored_sets: Iterable[ScoredSet], note: Callable[[str], None]) -> list[list[dict[str, Any]]]:
    """Return the score rows of every prompt set, those of looked-up cells marked."""
    rows, judging = [], Judging()
    for scored in scored_sets:
        rows.append(scored.rows)
        judging.take(scored)
    verdicts = judging.verdicts()
    for rows_of_set in rows:
        verdicts.mark(rows_of_set)
    if defect := verdicts.defect():
        note(defect)
    return rows


def _in_order(outcomes: Iterable[Outcome]) -> Iterator[ScoredSet]:
    """Yield scored prompt sets in the order of the run, whichever is done first: sums then have the same last bits."""
    waiting: dict[int, ScoredSet] = {}
    number = 0
    for outcome in outcomes:
        waiting[outcome.job.number] = outcome.value or score_prompt_set(outcome.job)  # here, should a worker have died
        while number in waiting:
            yield waiting.pop(number)
            number += 1


def _finished_cells(suite: Suite, folder: RunFolder) -> Iterator[tuple[PromptSet, dict[str, list[Stored]]]]:
    """Yield each prompt set of the whole suite with the models that finished all of its blocks."""
    labels = [PROMPTS, *(spec.label for spec in suite.models)]
    for prompt_set in make_plan(suite).prompt_sets:
        cells: dict[str, list[Stored]] = {}
        for label in labels:
            found = [folder.get(prompt_set, block, label) for block in range(prompt_set.n_blocks)]
            whole = [stored for stored in found if stored is not None]
            if len(whole) == len(found):
                cells[label] = whole
        if cells:
            yield prompt_set, cells
