"""The main job: a suite file becomes tables, block by block, whatever interrupts it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

from icl_bench.assembly.resolved import Resolved
from icl_bench.contracts.executors import check_executor, opened
from icl_bench.contracts.metric_declarations import problems_in_suite
from icl_bench.errors import SuiteError, UsageError
from icl_bench.machine import check_device, now, provenance
from icl_bench.results import Run
from icl_bench.run.asking import Conditions
from icl_bench.run.folder import open_run_folder
from icl_bench.run.jobs import Progress, execute
from icl_bench.run.scoring import score_run
from icl_bench.seeding import checked_seeds
from icl_bench.suites.plan import Plan, make_plan
from icl_bench.suites.suite import Suite, single_shifts, with_n_prompts, with_seeds
from icl_bench.suites.suite_file import load_suite
from icl_bench.tables.manifest import Manifest, write_manifest


class _Silent:
    def begin(self, blocks: int, done: int) -> None: ...
    def advance(self, label: str) -> None: ...
    def note(self, text: str) -> None: ...
    def scoring(self) -> None: ...


def run_suite(
    suite: str | Path | Suite,
    out: str | Path | None = None,
    *,
    models: Sequence[str] = (),
    scenarios: Sequence[str] = (),
    n_prompts: int | None = None,
    seeds: Sequence[int] = (),
    device: str = "cpu",
    executor: str = "serial",
    workers: int | None = None,
    fresh: bool = False,
    time_limit: float | None = 600.0,
    progress: Progress | None = None,
    command: str = "",
) -> Run:
    """Run a suite into the folder `out` (default results/NAME), continuing what is there; return the run.

    `models` and `scenarios` narrow it to names or globs; `n_prompts` replaces every prompt count and `seeds` every list
    of seeds; `time_limit` is in seconds per model and block. A script that asks for `executor = "processes"` needs the
    usual `if __name__ == "__main__":`.

    Raises UsageError (bad suite, option or folder), OutputError (disk full), PluginError. A model that fails makes
    rows with a status, not an exception.
    """
    suite = suite if isinstance(suite, Suite) else load_suite(suite)
    if n_prompts is not None:
        if n_prompts < 1:
            raise UsageError(f"prompts: expected at least 1, got {n_prompts}")
        suite = with_n_prompts(suite, n_prompts)
    if seeds:
        suite = with_seeds(suite, _checked(seeds))
    plan = make_plan(suite, models, scenarios)
    resolved = check_suite(suite, plan)
    check_metrics(resolved)
    check_device(device)
    n_workers = 1 if executor == "serial" else max(1, workers or 1)
    check_executor(executor, n_workers)
    conditions = Conditions(device=device, time_limit=time_limit)
    manifest = _manifest(resolved, conditions, executor, n_workers, command)
    folder_path = Path(out) if out is not None else Path("results") / suite.name
    started = time.monotonic()
    with open_run_folder(folder_path, manifest, fresh) as folder:
        write_manifest(folder_path, manifest)
        telling = progress or _Silent()
        folder.scan(manifest.run_digest, dict(manifest.models), telling.note)
        with opened(executor, n_workers) as pool:
            execute(resolved, plan, folder, conditions, pool, telling)
            telling.scoring()
            manifest = score_run(suite, plan, folder, manifest, pool, telling.note)
        manifest = dataclasses.replace(manifest, finished=now(), seconds=round(time.monotonic() - started, 3))
        write_manifest(folder_path, manifest)
    return Run(folder_path, manifest)


def _checked(seeds: Sequence[int]) -> tuple[int, ...]:
    try:
        return checked_seeds(seeds)
    except ValueError as error:
        raise UsageError(f"seeds: {error}, got {', '.join(map(str, seeds))}") from error


def check_suite(suite: Suite, plan: Plan) -> Resolved:
    """Resolve a suite as far as a plan asks for it; SuiteError names all that is refused.

    Every law and metric is built and every model's arguments are checked. What is built need not be a metric:
    `check_metrics` says what it lacks.
    """
    resolved = Resolved(suite)
    problems = resolved.problems(plan)
    if problems:
        raise SuiteError(problems)
    return resolved


def check_metrics(resolved: Resolved) -> None:
    """Refuse metrics whose declarations are broken, before anything is drawn: SuiteError names every member."""
    where = {spec.label: spec.where for spec in resolved.suite.metrics}
    problems = [
        f"{where.get(label, resolved.suite.name)}: metric {label!r}: {problem}"
        for label in resolved.metrics
        for problem in problems_in_suite(label, resolved.metrics)
    ]
    if problems:
        raise SuiteError(problems)


def _manifest(resolved: Resolved, conditions: Conditions, executor: str, workers: int, command: str) -> Manifest:
    suite, digests, laws = resolved.suite, resolved.digests, resolved.laws
    return Manifest(
        suite=suite.name,
        suite_version=suite.version,
        suite_digest=suite.digest,
        run_digest=digests.of_run(conditions.device),
        code_digest=digests.code,
        suite_text=suite.text,
        training_context=laws.training().sizes.n_context,
        n_dims=suite.prompts.n_dims,
        scenarios=tuple(spec.label for spec in suite.scenarios),
        models=digests.models,
        metrics=tuple(spec.label for spec in suite.metrics),
        metric_cards=resolved.cards,
        model_cards=resolved.model_cards,
        skill_left_out=suite.left_out,
        at_identity=tuple(laws.at_identity()),
        identities={label: repr(value) for label, value in laws.identities().items()},
        noise_variance=suite.prompts.noise_std**2,
        factors=single_shifts(suite),
        device=conditions.device,
        executor=executor,
        workers=workers,
        threads=conditions.threads,
        command=command,
        started=now(),
        **provenance(),
    )
