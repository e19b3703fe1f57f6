"""Skill of a run: the headline. Per severity, scenario, axis and over all shifts, unshifted, and the rank among models.

Severities are averaged within a scenario, scenarios within an axis, axes within the run; joint shifts are an axis of
their own. Unshifted severities count for none of them. What a model did not answer is -1; what nobody could know is
left out for everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from icl_bench.errors import TableError
from icl_bench.places import Place
from icl_bench.scores.narrowing import ShownLosses
from icl_bench.scores.skill_basis import SkillColumns, axis_of, choose_basis, is_shifted
from icl_bench.scores.skill_cells import PlaceSkills, place_skills
from icl_bench.scores.skill_means import SkillSum
from icl_bench.scores.skill_records import AXIS, CELL, OVERALL, SCENARIO, UNSHIFTED, LeftOut, Skills, SkillScore
from icl_bench.statistics.ranks import rank_intervals
from icl_bench.statistics.skill import MeanSkills
from icl_bench.tables.loss_sets import LossSet, StoredLosses
from icl_bench.tables.manifest import Manifest
from icl_bench.tables.model_cards import LEARNER, YARDSTICK
from icl_bench.tables.stored_losses import open_losses


def run_skills(folder: Path, narrowed: Manifest | None = None) -> Skills:
    """Return the skills of a run folder; none, with a note, where its losses were not kept.

    `narrowed` is its manifest with some of its models and scenarios. Raises TableError when a loss table is damaged.
    """
    try:
        losses = open_losses(folder)
    except TableError:
        if any((folder / "losses").glob("*.parquet")):
            raise
        return Skills("", (), (), (), "no skill: the losses of this run were not kept")
    return skills_of(losses if narrowed is None else ShownLosses(losses, narrowed))


def skills_of(losses: StoredLosses) -> Skills:
    """Return the skills of a run."""
    places = by_place(losses)
    columns, note = choose_basis(losses, places)
    if columns is None:
        return Skills("", (), (), (), note)
    asked = [model for model in losses.manifest.models if any(_was_asked(sets, model) for sets in places.values())]
    if not asked:
        return Skills("", (), (), (), "no skill: no model was asked")
    table = SkillTable(losses, columns, places, tuple(asked))
    scores = tuple(table.scores())
    if not any(score.skill is not None for score in scores):
        why = table.left_out[0].reason if table.left_out else "no severity was run"
        return Skills(columns.basis, scores, tuple(table.left_out), (), f"no skill: {why}")
    return Skills(columns.basis, scores, tuple(table.left_out), tuple(table.counted), note)


def by_place(losses: StoredLosses) -> dict[Place, list[LossSet]]:
    """Return the prompt sets of every scenario and severity, a seed each, in the order of the suite."""
    places: dict[Place, list[LossSet]] = {}
    for loss_set in losses.sets:
        places.setdefault(loss_set.place, []).append(loss_set)
    return places


def _was_asked(sets: Sequence[LossSet], model: str) -> bool:
    return any(loss_set.cells[model].status != "missing" for loss_set in sets if model in loss_set.cells)


class SkillTable:
    """The skill of all models of a run, computed a place at a time: memory grows with models and prompts alone."""

    def __init__(
        self,
        losses: StoredLosses,
        columns: SkillColumns,
        places: dict[Place, list[LossSet]],
        models: tuple[str, ...],
    ) -> None:
        self.losses, self.columns, self.places, self.models = losses, columns, places, models
        self.seeds = tuple(sorted({loss_set.seed for sets in places.values() for loss_set in sets}))
        self.stride = max(loss_set.n_prompts for sets in places.values() for loss_set in sets)
        self.left_out: list[LeftOut] = []
        self.counted: list[Place] = []
        cards = losses.manifest.model_cards
        self.kinds = tuple(cards[model].kind if model in cards else LEARNER for model in models)
        self._looked_up = np.zeros(len(models), dtype=bool)
        self._why: list[str] = [""] * len(models)
        self.total: SkillSum | None = None

    def scores(self) -> Iterator[SkillScore]:
        """Yield every score: unshifted, then cells, scenarios and axes as they come, the whole run last."""
        found = self._unshifted()
        if found is not None:
            yield from found
        axes: dict[str, dict[str, list[Place]]] = {}
        for place in self.places:
            if is_shifted(self.losses.manifest, place):
                axes.setdefault(axis_of(place), {}).setdefault(place.scenario, []).append(place)
        overall = self._sum()
        for axis, scenarios in axes.items():
            of_axis = self._sum()
            for scenario, members in scenarios.items():
                of_scenario = self._sum()
                for place in members:
                    yield from self._add(of_scenario, place)
                yield from self._of_sum(SCENARIO, scenario, of_scenario)
                of_axis.add_mean(of_scenario)
            yield from self._of_sum(AXIS, axis, of_axis)
            overall.add_mean(of_axis)
        self.total = overall
        yield from self._of_sum(OVERALL, "", overall)

    def _sum(self) -> SkillSum:
        return SkillSum.empty(self.stride, len(self.seeds), len(self.models))

    def _at(self, place: Place) -> PlaceSkills | LeftOut:
        sets, declared = self.places[place], self.losses.manifest.skill_left_out
        return place_skills(self.losses, self.columns, sets, self.models, self.seeds, declared)

    def _unshifted(self) -> list[SkillScore] | None:
        own = [place for place in self.places if place.identity]
        place = min(own, key=lambda place: (place.severity is not None, place.scenario != "base"), default=None)
        if place is None:
            return None
        found = self._at(place)
        return list(self._of_place(UNSHIFTED, found))

    def _add(self, total: SkillSum, place: Place) -> Iterator[SkillScore]:
        found = self._at(place)
        if isinstance(found, PlaceSkills):
            total.add_place(found)
            self.counted.append(place)
            self._looked_up |= found.looked_up
            self._why = [earlier or own for earlier, own in zip(self._why, found.unanswered, strict=True)]
        else:
            self.left_out.append(found)
        yield from self._of_place(CELL, found)

    def _of_place(self, scope: str, found: PlaceSkills | LeftOut) -> Iterator[SkillScore]:
        for at in range(len(self.models)):
            if isinstance(found, LeftOut):
                yield self._score(at, scope, found.place.name, None, message=found.reason)
                continue
            if not found.entered[at]:
                yield self._score(at, scope, found.place.name, None, possible=1, message="missing: it was not run")
                continue
            low, high = float(found.cells.low[at]), float(found.cells.high[at])
            why = found.unanswered[at]
            yield self._score(
                at,
                scope,
                found.place.name,
                float(found.cells.score[at]),
                (low, high),
                uncapped=_number(found.uncapped[at]),
                at_cap=float(found.cells.at_cap[at]),
                points=1,
                possible=1,
                message=f"not answered, counts as -1: {why}" if why else _NO_INTERVAL if np.isnan(low) else "",
            )

    def _of_sum(self, scope: str, name: str, total: SkillSum) -> Iterator[SkillScore]:
        found = total.mean()
        low, high = found.interval()
        ranks = self._ranks(total, found) if scope == OVERALL else {}
        for at in range(len(self.models)):
            points = int(total.points[at])
            if not points:
                reason = "missing: it was not run" if total.possible else "every severity is left out"
                yield self._score(at, scope, name, None, possible=total.possible, message=reason)
                continue
            yield self._score(
                at,
                scope,
                name,
                float(found.score[at]),
                (float(low[at]), float(high[at])),
                points=points,
                possible=total.possible,
                worst=float(total.worst[at]),
                worst_at=total.worst_at[at],
                ranks=ranks.get(at, (None, None)),
                message=self._remark(at, scope, points, total.possible, bool(np.isnan(low[at]))),
            )

    def _ranks(self, total: SkillSum, found: MeanSkills) -> dict[int, tuple[int | None, int | None]]:
        """Return the rank intervals of the models that are ranked: those asked everything, yardsticks aside."""
        whole = total.points == total.possible
        ranked = [
            at
            for at, kind in enumerate(self.kinds)
            if kind != YARDSTICK and whole[at] and not self._looked_up[at] and total.possible
        ]
        if not ranked:
            return {}
        chosen = MeanSkills(found.score[ranked], found.charge[ranked], found.down[:, ranked], found.up[:, ranked])
        lowest, highest = rank_intervals(chosen)
        return {at: (int(low), int(high)) for at, low, high in zip(ranked, lowest, highest, strict=True)}

    def _remark(self, at: int, scope: str, points: int, possible: int, no_interval: bool) -> str:
        if points < possible:
            return f"{possible - points} of {possible} severities were not run"
        if scope == OVERALL and self._looked_up[at]:
            return "no rank: some answers were looked up"
        if scope == OVERALL and self._why[at]:
            return f"some answers lack and count as -1: {self._why[at]}"
        return _NO_INTERVAL if no_interval else ""

    def _score(
        self,
        at: int,
        scope: str,
        name: str,
        value: float | None,
        interval: tuple[float, float] = (np.nan, np.nan),
        *,
        uncapped: float | None = None,
        at_cap: float | None = None,
        points: int = 0,
        possible: int = 0,
        worst: float | None = None,
        worst_at: str = "",
        ranks: tuple[int | None, int | None] = (None, None),
        message: str = "",
    ) -> SkillScore:
        low, high = (_number(end) for end in interval)
        return SkillScore(
            self.models[at],
            self.kinds[at],
            scope,
            name,
            value,
            low,
            high,
            uncapped,
            at_cap,
            points,
            possible,
            worst,
            worst_at,
            *ranks,
            self.columns.basis,
            message,
        )


_NO_INTERVAL = "no interval: all prompts share one random draw"


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
