"""How a model's skill under shift moved from one run to another on the same prompts; it decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from icl_bench.places import Place
from icl_bench.scores.skill import SkillTable, by_place
from icl_bench.scores.skill_basis import choose_basis, is_shifted
from icl_bench.statistics.skill import MeanSkills, mean_difference
from icl_bench.tables.loss_sets import LossSet, StoredLosses


@dataclass(frozen=True, slots=True)
class SkillChange:
    """The skill of one model over all shifts in both runs, and the difference with its paired 95% t interval."""

    model: str
    base: float
    head: float
    change: float
    low: float | None  # None where all prompts share one draw
    high: float | None


@dataclass(frozen=True, slots=True)
class SkillChanges:
    """Every change of skill between two runs."""

    changes: tuple[SkillChange, ...]
    note: str = ""  # why there are none, or what they rest on


def skill_changes(base: StoredLosses, head: StoredLosses) -> SkillChanges:
    """Return how skill moved over the severities that both runs have, for the models that both were asked there.

    Raises TableError when a table is damaged.
    """
    before, after = _shared(base, head)
    if not any(is_shifted(head.manifest, place) for place in after):
        return SkillChanges((), "no skill to compare: the runs share no shifted severity")
    bases, (columns, note) = choose_basis(base, before), choose_basis(head, after)
    if bases[0] is None or columns is None:
        lacking = "BASE" if bases[0] is None else "HEAD"
        why = bases[1] if bases[0] is None else note
        return SkillChanges((), f"no skill to compare: {lacking} has {why.removeprefix('no skill: ')}")
    if bases[0].basis != columns.basis:
        held = f"BASE is held against {bases[0].basis}, HEAD against {columns.basis}"
        return SkillChanges((), f"no skill to compare: {held}")
    models = tuple(model for model in head.manifest.models if _asked(model, before) and _asked(model, after))
    if not models:
        return SkillChanges((), "no skill to compare: no model was asked every shared severity in both runs")
    one = _whole(SkillTable(base, bases[0], before, models))
    other = _whole(SkillTable(head, columns, after, models))
    if one is None or other is None:
        return SkillChanges((), "no skill to compare: every severity is left out")
    moved, low, high = mean_difference(one, other)
    found = tuple(
        SkillChange(
            model,
            float(one.score[at]),
            float(other.score[at]),
            float(moved[at]),
            None if low[at] != low[at] else float(low[at]),
            None if high[at] != high[at] else float(high[at]),
        )
        for at, model in enumerate(models)
    )
    return SkillChanges(found, note)


def _shared(base: StoredLosses, head: StoredLosses) -> tuple[dict[Place, list[LossSet]], dict[Place, list[LossSet]]]:
    """Return the places of both runs whose prompts are the same in both, a set a seed."""
    ours, theirs = by_place(base), by_place(head)
    same = [place for place in theirs if place in ours and _prompts(ours[place]) == _prompts(theirs[place])]
    return {place: ours[place] for place in same}, {place: theirs[place] for place in same}


def _prompts(sets: Sequence[LossSet]) -> list[tuple[int, tuple[str, ...], int]]:
    return [(loss_set.seed, loss_set.digests, loss_set.headline_size) for loss_set in sets]


def _asked(model: str, places: dict[Place, list[LossSet]]) -> bool:
    return all(
        model in loss_set.cells and loss_set.cells[model].status != "missing"
        for sets in places.values()
        for loss_set in sets
    )


def _whole(table: SkillTable) -> MeanSkills | None:
    """Return the skill over all shifts of a table; None where every severity is left out."""
    for _ in table.scores():
        pass
    return None if table.total is None or not table.total.possible else table.total.mean()
