"""What skill is computed from, a severity at a time: every model's errors beside the best possible answer.

Which severities count is a property of the suite, never of what finished: whether the best possible answer is known,
and whether it says anything, is told from the prompts alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from icl_bench.arrays import Array, Flags, Integers
from icl_bench.places import Place
from icl_bench.scores.skill_basis import BAYES, SkillColumns
from icl_bench.scores.skill_records import LeftOut
from icl_bench.statistics.skill import Answerable, CellSkills, cell_skills, nothing_to_know
from icl_bench.statistics.tails import tails
from icl_bench.tables.loss_sets import LossSet, ModelLosses, StoredLosses
from icl_bench.tables.schema import LOOKED_UP, PROMPTS


@dataclass(frozen=True, slots=True)
class PlaceSkills:
    """The skill of every model at one place, and where its rows lie in the common list of prompts."""

    place: Place
    cells: CellSkills
    uncapped: Array  # (model,) NaN where the mean does not exist or an answer lacks
    entered: Flags  # (model,) whether every seed was asked
    looked_up: Flags  # (model,) whether the answers of a seed were looked up
    unanswered: tuple[str, ...]  # (model,) why answers lack; empty where none does
    prompts: tuple[int, ...]  # of each seed of the common list; 0 where the place has none
    cluster_size: int | None  # prompts that share a random part; None: all of a seed

    @property
    def n_prompts(self) -> int:
        """Of all seeds."""
        return sum(self.prompts)


def cluster_starts(prompts: Sequence[int], cluster_size: int | None) -> Integers:
    """Return the rows (cluster,) at which clusters begin, of seeds laid below each other."""
    first = np.concatenate([[0], np.cumsum(prompts)[:-1]]).astype(np.int64)
    starts = [
        start + np.arange(0, count, cluster_size or count)
        for start, count in zip(first.tolist(), prompts, strict=True)
        if count
    ]
    found: Integers = np.concatenate(starts).astype(np.int64)
    return found


def place_skills(
    losses: StoredLosses,
    columns: SkillColumns,
    sets: Sequence[LossSet],
    models: Sequence[str],
    seeds: Sequence[int],
    declared: Sequence[str] | None,
) -> PlaceSkills | LeftOut:
    """Return the skills of all models at one place, its seeds' prompts together, or why it counts for nobody.

    `declared` are the names of the places that the suite leaves out; None: told from these prompts.
    """
    place = sets[0].place
    if not columns.known(sets):
        return LeftOut(place, _no_truth(columns, sets), None)
    held = [columns.read(losses, loss_set) for loss_set in sets]
    best_model, best_column = columns.best
    square = np.concatenate([item[best_model][best_column][:, 0] for item in held]).astype(np.float64)
    signal = _signal(columns, held)
    share = None if signal is None or not signal.any() else float(square.mean() / signal.mean())
    reason = nothing_to_know(square, signal) if declared is None or not square.any() else ""
    if declared is not None and place.name in declared:
        reason = nothing_to_know(square, signal) or "the suite leaves it out ([skill] left_out)"
    if reason:
        return LeftOut(place, reason, share)
    prompts = {loss_set.seed: loss_set.n_prompts for loss_set in sets}
    errors = np.stack([_errors(columns.error, model, sets, held) for model in models], axis=1)
    cluster_size = _cluster_size(sets)
    starts = cluster_starts([loss_set.n_prompts for loss_set in sets], cluster_size)
    statuses = {model: [loss_set.cells[model].status for loss_set in sets] for model in models}
    return PlaceSkills(
        place,
        cell_skills(errors, Answerable.of(square), starts),
        np.array([_uncapped(columns.error, model, sets, errors[:, at], square) for at, model in enumerate(models)]),
        np.array(["missing" not in statuses[model] for model in models], dtype=bool),
        np.array([LOOKED_UP in statuses[model] for model in models], dtype=bool),
        tuple(_unanswered(model, sets) for model in models),
        tuple(prompts.get(seed, 0) for seed in seeds),
        cluster_size,
    )


def _no_truth(columns: SkillColumns, sets: Sequence[LossSet]) -> str:
    model, column = columns.best
    for loss_set in sets:
        cell = loss_set.cells.get(model)
        if cell is not None and (cell.message or column in cell.absent):
            return cell.absent.get(column) or cell.message
    return "no Bayes prediction is known" if columns.basis == BAYES else "f(x) is not known"


def _signal(columns: SkillColumns, held: Sequence[ModelLosses]) -> Array | None:
    parts = [item.get(PROMPTS, {}).get(columns.signal or "") for item in held]
    known = [part[:, 0] for part in parts if part is not None]
    return np.concatenate(known).astype(np.float64) if known and len(known) == len(parts) else None


def _errors(column: str, model: str, sets: Sequence[LossSet], held: Sequence[ModelLosses]) -> Array:
    """Return a model's squared errors (prompt,), infinite where it did not answer."""
    parts = []
    for loss_set, item in zip(sets, held, strict=True):
        found = item.get(model, {}).get(column)
        parts.append(np.full(loss_set.n_prompts, np.inf) if found is None else found[:, 0].astype(np.float64))
    return np.concatenate(parts)


def _cluster_size(sets: Sequence[LossSet]) -> int | None:
    sizes = [loss_set.cluster_size for loss_set in sets]
    return None if None in sizes else max(size for size in sizes if size is not None)


def _uncapped(column: str, model: str, sets: Sequence[LossSet], errors: Array, square: Array) -> float:
    """Return 1 - E e^2 / E b^2; NaN where an answer lacks or the mean does not exist."""
    if not np.isfinite(errors).all():
        return np.nan
    first = sets[0]
    known = first.cells[model].tails.get(column)
    index = None if known is None else known[first.context_sizes.index(first.headline_size)]
    if not tails([index], errors[:, None]).has_mean[0]:
        return np.nan
    return 1.0 - float(errors.mean() / square.mean())


def _unanswered(model: str, sets: Sequence[LossSet]) -> str:
    """Return why answers of a model lack; empty where none does."""
    for loss_set in sets:
        cell = loss_set.cells[model]
        if cell.status != "ok":
            return f"{cell.status}: {cell.message}" if cell.message else cell.status
    return ""
