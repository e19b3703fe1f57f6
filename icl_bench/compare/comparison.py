"""Two runs held against each other, whole: which cells changed, which could not be compared, and how that ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from icl_bench.compare.cells import ComparedCell, Uncompared
from icl_bench.compare.changes import CellChange, Kind, point_changes, share
from icl_bench.compare.comparability import check_suite, differing_provenance
from icl_bench.compare.judging import REGRESSION, VERDICTS, JudgedCell, judge
from icl_bench.compare.metric import common_metric
from icl_bench.compare.pairing import pair
from icl_bench.compare.settings import ALL, ALPHA, HEADLINE, MARGIN, Settings, alpha_from, margin_from, sizes_from
from icl_bench.errors import EXIT_INCOMPLETE, EXIT_PASS, EXIT_REGRESSION, UsageError
from icl_bench.scores.changes import score_changes
from icl_bench.scores.records import RunScores
from icl_bench.scores.skill_changes import SkillChanges, skill_changes
from icl_bench.tables.loss_sets import StoredLosses
from icl_bench.tables.stored_losses import open_losses

if TYPE_CHECKING:
    import pandas as pd

ENOUGH_PROMPTS = 1024
"""From here on the simulated gate keeps its level whatever became of the losses' spread, but on the margin itself."""


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
    skills: SkillChanges  # by how much skill under shift moved; decides nothing

    def of(self, verdict: str) -> tuple[JudgedCell, ...]:
        """Return the cells with a verdict."""
        return tuple(judged for judged in self.cells if judged.verdict == verdict)

    @property
    def counts(self) -> dict[str, int]:
        """Verdict -> cells."""
        counted = Counter(judged.verdict for judged in self.cells)
        return {verdict: counted[verdict] for verdict in VERDICTS}

    @property
    def table(self) -> pd.DataFrame:
        """Every cell as a pandas frame: verdict, change of the risk (a share) with interval, at the headline size."""
        import pandas as pd

        return pd.DataFrame([_table_row(judged) for judged in self.cells])

    @property
    def exit_code(self) -> int:
        """1 with a regression; 4 when nothing was compared, or cells are missing that nobody allowed; else 0."""
        if self.of(REGRESSION):
            return EXIT_REGRESSION
        if not self.cells or (self.changes.incomplete and not self.settings.allow_missing):
            return EXIT_INCOMPLETE
        return EXIT_PASS


def _table_row(judged: JudgedCell) -> dict[str, object]:
    found, at = judged.found, judged.found.headline
    return {
        "model": found.cell.model,
        "scenario": found.cell.place.scenario,
        "severity_label": found.cell.place.label,
        "verdict": judged.verdict,
        "context_size": found.headline_size,
        "statistic": found.statistic,
        "change": share(found.change.value[at]),
        "low": share(judged.low[at]),
        "high": share(judged.high[at]),
        "p_worse": float(judged.p_worse.min()),
        "p_better": float(judged.p_better.min()),
        "smallest_detectable": judged.detectable,
        "n_prompts": found.n_prompts,
    }


def check_two_folders(base: Path, head: Path) -> None:
    """Raise UsageError when BASE and HEAD are one folder: a run is equal to itself, which says nothing."""
    if base.resolve() == head.resolve():
        raise UsageError(f"BASE and HEAD are the same folder, {head}: give two runs, the older one first")


def find_changes(
    base: StoredLosses,
    head: StoredLosses,
    metric: str | None,
    headline_only: bool,
    kinds: Mapping[ComparedCell, Kind] | None = None,
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
    notes = [*differing_provenance(base.manifest, head.manifest), *_by_mean_alone(head, chosen), *_few_prompts(cells)]
    return Changes(chosen, tuple(cells), tuple(uncompared), tuple(notes))


def _by_mean_alone(head: StoredLosses, metric: str) -> Iterator[str]:
    """Yield a remark where what is compared is not what the metric is summarised by."""
    card = head.manifest.metric_cards.get(metric)
    if card is not None and card.statistic in ("quantile", "worst group"):
        yield f"{metric} is reported by its {card.statistic}; what is compared is the mean of its losses"


def _few_prompts(cells: Sequence[CellChange]) -> Iterator[str]:
    """Yield a warning where losses that changed in spread, not in mean, could pass for worse."""
    few = [found for found in cells if not found.equal and found.n_prompts < ENOUGH_PROMPTS]
    if few:
        yield (
            f"{len(few)} changed cells have fewer than {ENOUGH_PROMPTS:,} prompts: where the spread of losses changed,"
            " false alarms can be more frequent than alpha (docs/statistics.md)"
        )


def compare(base: StoredLosses, head: StoredLosses, settings: Settings) -> Comparison:
    """Return the comparison of two runs or baselines; raises as `find_changes` does."""
    check_two_folders(base.folder, head.folder)
    changes = find_changes(base, head, settings.metric, settings.sizes == HEADLINE)
    judged = judge(changes.cells, settings.margin, settings.alpha)
    if any(not found.equal for found in changes.cells):
        scores, skills = score_changes(base, head, changes.metric), skill_changes(base, head)
    else:
        scores, skills = RunScores(None, "", (), "no loss changed"), SkillChanges(())
    manifest = head.manifest
    return Comparison(
        base.folder, head.folder, manifest.suite, manifest.suite_version, settings, changes, judged, scores, skills
    )


def compare_runs(
    base: str | Path,
    head: str | Path,
    *,
    metric: str | None = None,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    sizes: str = ALL,
    allow_missing: bool = False,
) -> Comparison:
    """Return the comparison of two run or baseline folders, as `icl-bench compare` makes it; see `Comparison.table`.

    Raises NotComparableError for other suites, versions, prompts or newer tables, UsageError for a bad setting, the
    same folder twice, and missing or damaged tables.
    """
    settings = Settings(metric, margin_from(f"{margin!r}"), alpha_from(f"{alpha!r}"), sizes_from(sizes), allow_missing)
    return compare(open_losses(Path(base)), open_losses(Path(head)), settings)
