"""Two runs held against each other, whole: which cells changed, which could not be compared, and how that ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from icl_bench.compare.cells import Cell, Uncompared
from icl_bench.compare.changes import CellChange, Kind, point_changes
from icl_bench.compare.comparability import check_suite, differing_provenance
from icl_bench.compare.judging import REGRESSION, VERDICTS, JudgedCell, judge
from icl_bench.compare.metric import common_metric
from icl_bench.compare.pairing import pair
from icl_bench.compare.settings import HEADLINE, Settings
from icl_bench.errors import EXIT_INCOMPLETE, EXIT_PASS, EXIT_REGRESSION, UsageError
from icl_bench.run_scores.changes import score_changes
from icl_bench.run_scores.records import RunScores
from icl_bench.tables.loss_sets import Losses


@dataclass(frozen=True, slots=True)
class Changes:
    """Every cell's change from BASE to HEAD, and the cells that have none."""

    metric: str
    cells: tuple[CellChange, ...]
    uncompared: tuple[Uncompared, ...]
    notes: tuple[str, ...]  # what else differs: device, versions, code

    @property
    def incomplete(self) -> tuple[Uncompared, ...]:
        """Cells without which a comparison is incomplete: missing and failed ones."""
        return tuple(item for item in self.uncompared if item.is_incomplete)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two runs say of each other."""

    base: Path
    head: Path
    suite: str
    suite_version: int
    settings: Settings
    changes: Changes
    cells: tuple[JudgedCell, ...]
    scores: RunScores  # by how much AUSC and SDR changed on each axis

    def of(self, verdict: str) -> tuple[JudgedCell, ...]:
        """Return the cells with a verdict."""
        return tuple(judged for judged in self.cells if judged.verdict == verdict)

    @property
    def counts(self) -> dict[str, int]:
        """Verdict -> cells."""
        counted = Counter(judged.verdict for judged in self.cells)
        return {verdict: counted[verdict] for verdict in VERDICTS}

    @property
    def exit_code(self) -> int:
        """1 with a regression; 4 when nothing was compared, or cells are missing that nobody allowed; else 0."""
        if self.of(REGRESSION):
            return EXIT_REGRESSION
        if not self.cells or (self.changes.incomplete and not self.settings.allow_missing):
            return EXIT_INCOMPLETE
        return EXIT_PASS


def check_two_folders(base: Path, head: Path) -> None:
    """Raise UsageError when BASE and HEAD are one folder: a run is equal to itself, which says nothing."""
    if base.resolve() == head.resolve():
        raise UsageError(f"BASE and HEAD are the same folder, {head}: give two runs, the older one first")


def find_changes(
    base: Losses, head: Losses, metric: str | None, headline_only: bool, kinds: Mapping[Cell, Kind] | None = None
) -> Changes:
    """Return how every cell that two runs share changed, read a scenario and severity at a time.

    Raises NotComparableError for other suites, versions or prompts, UsageError for an unknown metric, TableError for
    damaged tables.
    """
    check_suite(base.manifest, head.manifest)
    chosen = common_metric(base, head, metric)
    pairing = pair(base, head, chosen, headline_only)
    cells, uncompared = [], list(pairing.uncompared)
    for point in pairing.points:
        for found in point_changes(base, head, point, chosen, kinds):
            if isinstance(found, CellChange):
                cells.append(found)
            else:
                uncompared.append(found)
    return Changes(chosen, tuple(cells), tuple(uncompared), differing_provenance(base.manifest, head.manifest))


def compare(base: Losses, head: Losses, settings: Settings) -> Comparison:
    """Return the comparison of two runs or baselines; raises as `find_changes` does."""
    check_two_folders(base.folder, head.folder)
    changes = find_changes(base, head, settings.metric, settings.sizes == HEADLINE)
    judged = judge(changes.cells, settings.margin, settings.alpha)
    if any(not found.equal for found in changes.cells):
        scores = score_changes(base, head, changes.metric)
    else:
        scores = RunScores(None, "", (), "no loss changed")
    manifest = head.manifest
    return Comparison(
        base.folder, head.folder, manifest.suite, manifest.suite_version, settings, changes, judged, scores
    )
