"""What follows the headline tables in every format: breakdowns, run-level scores, gaps, interactions."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.report import wording
from icl_bench.report.grids import Grid, breakdown_grid
from icl_bench.report.score_grids import axis_scores_grid, gap_grid, interaction_grid, resemblance_grid
from icl_bench.report.summary import Summary


@dataclass(frozen=True, slots=True)
class Section:
    """A titled table with notes below it."""

    title: str
    grid: Grid | None
    notes: tuple[str, ...]


def sections(summary: Summary) -> tuple[Section, ...]:
    """Return the sections that a summary has something to say in."""
    breakdown, notes = breakdown_grid(summary)
    found = [
        Section(wording.SCORES_TITLE, axis_scores_grid(summary), (wording.scores_note(summary),)),
        Section(wording.BREAKDOWN_TITLE, breakdown, (*notes, wording.BREAKDOWN_NOTE) if breakdown or notes else ()),
        Section(wording.RESEMBLANCE_TITLE, resemblance_grid(summary), (wording.RESEMBLANCE_NOTE,)),
        Section(wording.GAP_TITLE, gap_grid(summary), (wording.GAP_NOTE,)),
        Section(wording.INTERACTION_TITLE, interaction_grid(summary), (wording.INTERACTION_NOTE,)),
    ]
    return tuple(section for section in found if section.grid is not None or _says_something(summary, section))


def _says_something(summary: Summary, section: Section) -> bool:
    """Tell whether a section without a table still has a note to show."""
    if section.title == wording.SCORES_TITLE:
        return bool(summary.run_scores.note)
    return section.title == wording.BREAKDOWN_TITLE and bool(section.notes)
