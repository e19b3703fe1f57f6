"""What the first screen says of a run: what was asked, how it ended, and the skill of every model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from icl_bench.errors import TableError
from icl_bench.scores.coverage import Coverage, Trouble, coverage, troubles
from icl_bench.scores.narrowing import Narrowing
from icl_bench.scores.rows import ScoreRows, load_rows
from icl_bench.scores.skill import run_skills
from icl_bench.scores.skill_records import Skills
from icl_bench.tables.manifest import Manifest, read_manifest
from icl_bench.tables.metric_roles import MetricRoles

WHOLE = Narrowing()


@dataclass(frozen=True, slots=True)
class Overview:
    """One run, in short."""

    folder: str
    manifest: Manifest
    n_prompts: tuple[int, ...]  # a cell: the different counts, ascending
    seeds: tuple[int, ...]
    models: tuple[str, ...]
    troubles: tuple[Trouble, ...]
    coverage: Coverage
    skills: Skills
    numbered: bool  # whether any model has a number of a metric that reports show


def read_overview(folder: Path, narrowing: Narrowing = WHOLE) -> Overview:
    """Return the overview of a run folder.

    Raises TableError when it is no run, or its tables are missing or damaged, UsageError for a narrowing that names
    nothing.
    """
    manifest, rows = read_tables(folder, narrowing)
    return overview_of(folder, manifest, rows, narrowing)


def read_tables(folder: Path, narrowing: Narrowing) -> tuple[Manifest, ScoreRows]:
    """Return the manifest of a run and the rows of its headline sizes, narrowed; raises as `read_overview`."""
    manifest = narrowing.of(read_manifest(folder))
    if not (folder / "scores.parquet").exists():
        raise TableError(
            f"{folder} has no table of scores: its run did not come to its end, or the table was deleted;"
            " run the suite again into this folder: what was finished is kept"
        )
    roles = MetricRoles(manifest.metric_cards)
    rows = load_rows(folder, [*manifest.metrics, *roles.cards])
    return manifest, rows if narrowing.is_whole else rows.narrowed(manifest.models, manifest.scenarios)


def overview_of(folder: Path, manifest: Manifest, rows: ScoreRows, narrowing: Narrowing) -> Overview:
    """Return the overview of a run whose tables have been read."""
    return Overview(
        folder=str(folder),
        manifest=manifest,
        n_prompts=_prompt_counts(rows),
        seeds=tuple(sorted({seed for seeds in rows.seeds.values() for seed in seeds})),
        models=tuple(manifest.models),
        troubles=troubles(rows),
        coverage=coverage(rows, manifest),
        skills=run_skills(folder, None if narrowing.is_whole else manifest),
        numbered=not rows.metrics.isdisjoint(MetricRoles(manifest.metric_cards).shown),
    )


def _prompt_counts(rows: ScoreRows) -> tuple[int, ...]:
    counts: set[int] = set()
    for place, size in rows.headline.items():
        counts.update(rows.prompt_counts(place, size))
    return tuple(sorted(counts)) or (0,)
