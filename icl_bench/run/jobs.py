"""The jobs of a run: each block once, on whatever executor, whoever hangs or dies on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from icl_bench.assembly.identity import Digests
from icl_bench.assembly.resolved import Resolved, keep, kept
from icl_bench.errors import UsageError
from icl_bench.plugins.protocols import Executor, Outcome
from icl_bench.run.asking import Conditions
from icl_bench.run.block import evaluate_block
from icl_bench.run.folder import RunFolder
from icl_bench.suites.plan import Block, Plan
from icl_bench.suites.suite import Suite
from icl_bench.tables.schema import PROMPTS
from icl_bench.tables.units import Stored, UnitHeader, in_memory, write_unit

GRACE_SECONDS = 60.0
"""Beyond its models' time limits, how long a job may take to draw, score and write before its worker is replaced."""

MARKER_BYTES = 256
"""Room for the name of the model that a job is asking; labels are shorter."""


class Progress(Protocol):
    """Is told how a run goes."""

    def begin(self, blocks: int, done: int) -> None:
        """The run has `blocks` blocks, `done` of which are finished already."""

    def advance(self, label: str) -> None:
        """A block of the scenario `label` is finished."""

    def note(self, text: str) -> None:
        """Something the user should know."""

    def scoring(self) -> None:
        """All blocks are finished; tables are being made."""


@dataclass(frozen=True, slots=True)
class Job:
    """One block for one worker: draw, ask, score, write. Small: a worker resolves the suite by itself, once."""

    suite: Suite
    digests: Digests  # as the command took them
    block: Block
    unit: Path
    marker: Path
    run_digest: str
    conditions: Conditions
    given_up: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def work(job: Job) -> UnitHeader:
    """Do one job; the unit on disk is whole or absent."""
    import torch

    torch.set_num_threads(job.conditions.threads)

    with job.marker.open("wb", buffering=0) as marker:

        def mark(model: str) -> None:  # over the name before it: emptying the file anew costs a disk write each time
            marker.seek(0)
            marker.write(model.encode().ljust(MARKER_BYTES))

        resolved = kept(job.suite, job.digests)
        unit = evaluate_block(resolved, job.block, job.run_digest, job.conditions, job.given_up, mark)
    write_unit(job.unit, unit)
    job.marker.unlink(missing_ok=True)
    return in_memory(unit.header)


def execute(
    resolved: Resolved,
    plan: Plan,
    folder: RunFolder,
    conditions: Conditions,
    pool: Executor,
    progress: Progress,
) -> None:
    """Do every job that is not done; a worker that hangs or dies costs the model it was asking, no more."""
    keep(resolved)
    run_digest = resolved.digests.of_run(conditions.device)
    blocks = list(plan.blocks())
    jobs = []
    for block in blocks:
        models = folder.lacking(block)
        if models:
            wanted = dataclasses.replace(block, models=models)
            unit = folder.new_unit(wanted)
            marker = folder.working / unit.stem
            jobs.append(Job(resolved.suite, resolved.digests, wanted, unit, marker, run_digest, conditions))
    progress.begin(len(blocks), len(blocks) - len(jobs))
    while jobs:
        again = []
        for outcome in pool.map(work, jobs, _job_seconds(plan, conditions)):
            if outcome.status == "ok":
                for stored in outcome.value.outcomes:
                    folder.add(Stored(outcome.job.unit, outcome.value, stored))
                progress.advance(outcome.job.block.prompt_set.place.scenario)
            else:
                again.append(_without_culprit(outcome, conditions, progress.note))
        jobs = again


def _job_seconds(plan: Plan, conditions: Conditions) -> float | None:
    if conditions.time_limit is None:
        return None
    return conditions.time_limit * (len(plan.models) + 1) + GRACE_SECONDS


def _without_culprit(outcome: Outcome, conditions: Conditions, note: Callable[[str], None]) -> Job:
    """Return the job again, giving up the model that its worker was asking when it was lost."""
    job: Job = outcome.job
    try:
        culprit = job.marker.read_text(encoding="utf-8").strip()
    except OSError:
        culprit = ""
    if culprit in ("", PROMPTS) or culprit in job.given_up:
        raise UsageError(
            f"a worker was lost while drawing {job.block.prompt_set.place.scenario}, not in a model: {outcome.message};"
            " run the same command again to continue, with fewer --workers if memory is short"
        )
    message = outcome.message
    if outcome.status == "timeout":
        message = f"no answer within {conditions.time_limit:g} s; its worker had to be stopped"
    note(f"{culprit} on {job.block.prompt_set.place.scenario}: {message}")
    return dataclasses.replace(job, given_up={**job.given_up, culprit: (outcome.status, message)})
