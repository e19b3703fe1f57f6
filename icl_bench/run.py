"""The main job: a suite file becomes tables, block by block, whatever interrupts it."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from icl_bench import catalogue
from icl_bench.assemble import build_metrics, code_digest, metric_cards, model_digest, question_digest
from icl_bench.assembly.laws import cell_law, identities, training_law, training_problems
from icl_bench.devices import check_device
from icl_bench.errors import PluginError, SuiteError, UsageError
from icl_bench.evaluate.asking import Conditions
from icl_bench.execution import Progress, execute
from icl_bench.executor_contracts import check_executor, opened
from icl_bench.laws.canonical import combined_digest
from icl_bench.looked_up import Judging
from icl_bench.metric_contracts import problems_in_suite
from icl_bench.plan import Plan, PromptSet, make_plan
from icl_bench.protocols import Executor, Metric, Outcome
from icl_bench.provenance import now, provenance
from icl_bench.run_folder import RunFolder, open_run_folder
from icl_bench.run_scores.scores import run_scores
from icl_bench.scoring import MetricColumns, ScoredSet, ScoringJob, score_prompt_set
from icl_bench.seeding import checked_seeds
from icl_bench.suite import Suite, single_shifts, with_n_prompts, with_seeds
from icl_bench.suite_file import load_suite
from icl_bench.tables.manifest import Manifest, read_manifest, write_manifest
from icl_bench.tables.metric_cards import MetricCard
from icl_bench.tables.schema import LOOKED_UP, PROMPTS
from icl_bench.tables.score_table import absent_columns, read_scores, write_scores
from icl_bench.tables.units import Stored, read_losses

if TYPE_CHECKING:
    import pandas as pd


class _Silent:
    def begin(self, blocks: int, done: int) -> None: ...
    def advance(self, label: str) -> None: ...
    def note(self, text: str) -> None: ...
    def scoring(self) -> None: ...


@dataclass(frozen=True)
class Run:
    """A finished or partly finished run on disk."""

    path: Path
    manifest: Manifest

    @property
    def scores(self) -> pd.DataFrame:
        """scores.parquet as a pandas frame: one row per cell, context size and metric.

        `attrs["absent"]` maps the columns that an older icl-bench did not write to the reason why they are null.
        """
        frame: pd.DataFrame = read_scores(self.path / "scores.parquet").to_pandas()
        frame.attrs["absent"] = absent_columns(self.path / "scores.parquet")
        return frame

    @property
    def losses(self) -> pd.DataFrame:
        """Every per-prompt loss as a pandas frame: one row per prompt, context size and model (large)."""
        return read_losses(self.path / "losses").to_pandas()  # type: ignore[no-any-return]

    @property
    def run_scores(self) -> pd.DataFrame:
        """Run-level scores (SDR, AUSC, frozen-prior gap, interaction) as a pandas frame, kappa in its `attrs`."""
        import pandas as pd

        found = run_scores(self.path)
        frame = pd.DataFrame([dataclasses.asdict(score) for score in found.scores])
        frame.attrs.update(kappa=found.kappa, kappa_source=found.kappa_source, note=found.note)
        return frame

    @property
    def complete(self) -> bool:
        """Whether every cell asked for was answered, by no looked-up answers, or skipped for a stated reason."""
        return self.manifest.status == "complete"


def read_run(path: str | Path) -> Run:
    """Return the run in a folder; TableError when there is none."""
    folder = Path(path)
    return Run(folder, read_manifest(folder))


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
    metrics = check_suite(suite, plan)
    check_metrics(suite, metrics)
    check_device(device)
    n_workers = 1 if executor == "serial" else max(1, workers or 1)
    check_executor(executor, n_workers)
    conditions = Conditions(device=device, time_limit=time_limit)
    cards = metric_cards(suite, metrics)
    manifest = _manifest(suite, cards, conditions, executor, n_workers, command)
    folder_path = Path(out) if out is not None else Path("results") / suite.name
    started = time.monotonic()
    with open_run_folder(folder_path, manifest, fresh) as folder:
        write_manifest(folder_path, manifest)
        telling = progress or _Silent()
        folder.scan(manifest.run_digest, dict(manifest.models), telling.note)
        with opened(executor, n_workers) as pool:
            execute(suite, plan, folder, manifest.run_digest, conditions, pool, telling)
            telling.scoring()
            manifest = _score(suite, plan, folder, manifest, pool, telling.note)
        manifest = dataclasses.replace(manifest, finished=now(), seconds=round(time.monotonic() - started, 3))
        write_manifest(folder_path, manifest)
    return Run(folder_path, manifest)


def _checked(seeds: Sequence[int]) -> tuple[int, ...]:
    try:
        return checked_seeds(seeds)
    except ValueError as error:
        raise UsageError(f"seeds: {error}, got {', '.join(map(str, seeds))}") from error


def check_suite(suite: Suite, plan: Plan) -> dict[str, Metric]:
    """Build every law and metric and check every model's arguments; SuiteError names all that is refused.

    What is built need not be a metric: `check_metrics` says what it lacks.
    """
    problems: list[str] = []
    for spec in suite.models:
        try:
            cls = catalogue.plugin_class("models", spec.use, suite.folder)
            wrong = catalogue.argument_problems(cls, spec.arguments, suite.folder)
            problems.extend(f"{spec.where}: model {spec.label!r}: {text}" for text in wrong)
        except PluginError as error:
            problems.append(f"{spec.where}: model {spec.label!r}: {error}")
    in_training = training_problems(suite)
    if in_training:  # no cell can be had without it
        raise SuiteError([*problems, *in_training])
    asked = {(prompt_set.scenario, prompt_set.place): prompt_set for prompt_set in plan.prompt_sets}
    for (scenario, _), prompt_set in asked.items():
        try:
            cell_law(suite, prompt_set)
        except (PluginError, SuiteError, ValueError) as error:
            problems.append(f"{suite.scenarios[scenario].where}: {error}")
    metrics: dict[str, Metric] = {}
    try:
        metrics = build_metrics(suite)
    except SuiteError as error:
        problems.extend(error.problems)
    if problems:
        raise SuiteError(list(dict.fromkeys(problems)))
    return metrics


def check_metrics(suite: Suite, metrics: Mapping[str, Metric]) -> None:
    """Refuse metrics whose declarations are broken, before anything is drawn: SuiteError names every member."""
    where = {spec.label: spec.where for spec in suite.metrics}
    problems = [
        f"{where.get(label, suite.name)}: metric {label!r}: {problem}"
        for label, metric in metrics.items()
        for problem in problems_in_suite(label, metrics)
    ]
    if problems:
        raise SuiteError(problems)


def _manifest(
    suite: Suite, cards: Mapping[str, MetricCard], conditions: Conditions, executor: str, workers: int, command: str
) -> Manifest:
    run_digest = hashlib.blake2b(
        "/".join([question_digest(suite), conditions.device, code_digest()]).encode(), digest_size=16
    ).hexdigest()
    return Manifest(
        suite=suite.name,
        suite_version=suite.version,
        suite_digest=suite.digest,
        run_digest=run_digest,
        code_digest=code_digest(),
        suite_text=suite.text,
        training_context=training_law(suite).sizes.n_context,
        n_dims=suite.prompts.n_dims,
        scenarios=tuple(spec.label for spec in suite.scenarios),
        models={spec.label: model_digest(suite, spec) for spec in suite.models},
        metrics=tuple(spec.label for spec in suite.metrics),
        metric_cards=cards,
        identities={label: repr(value) for label, value in identities(suite).items()},
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


def _score(
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
    digests = {
        prompt_set.key: combined_digest(stored.header.prompt_digest for stored in next(iter(cells.values())))
        for prompt_set, cells in finished.items()
    }
    status = "complete" if not any(counts[name] for name in ("failed", "missing", LOOKED_UP)) else "incomplete"
    return dataclasses.replace(manifest, prompt_digests=digests, cells=dict(counts), status=status)


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
