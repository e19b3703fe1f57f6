"""Which prompts two runs share, and which cells of theirs can be held against each other; reads no loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from icl_bench.compare.cells import BROKEN, FAILED, MISSING, NEW, SKIPPED, ComparedCell, Uncompared
from icl_bench.compare.comparability import Key, check_prompts
from icl_bench.errors import NotComparableError
from icl_bench.places import Place
from icl_bench.tables.loss_sets import LossSet, StoredCell, StoredLosses
from icl_bench.tables.schema import PROMPTS

_NOT_RUN = StoredCell("missing", "the cell was not run")


@dataclass(frozen=True, slots=True)
class PairedSet:
    """The same prompts (one scenario, severity and seed) in both runs."""

    base: LossSet
    head: LossSet
    models: tuple[str, ...]  # that answered in both


@dataclass(frozen=True, slots=True)
class PairedPoint:
    """One scenario and severity: its seeds, and the context sizes that all of them have in both runs."""

    sets: tuple[PairedSet, ...]
    sizes: tuple[int, ...]
    headline_size: int

    @property
    def models(self) -> tuple[str, ...]:
        """Models that answered in both runs on at least one seed, in the order of HEAD."""
        return tuple(dict.fromkeys(model for paired in self.sets for model in paired.models))

    def cell(self, model: str) -> ComparedCell:
        """Return the name of one model's cell."""
        return ComparedCell(self.sets[0].head.place, model)


@dataclass(frozen=True, slots=True)
class Pairing:
    """What two runs share, and the cells that cannot be compared."""

    points: tuple[PairedPoint, ...]
    uncompared: tuple[Uncompared, ...]


def pair(base: StoredLosses, head: StoredLosses, metric: str, headline_only: bool) -> Pairing:
    """Return which cells of two runs can be compared by the loss column `metric`, and why others cannot.

    Raises NotComparableError when the prompts differ or no context size is shared.
    """
    bases, heads = _whole_sets(base, head), _whole_sets(head, base)
    check_prompts(base, head, bases, heads)
    asked, models = {loss_set.key for loss_set in base.sets}, _run_models(base)
    points: dict[Place, list[PairedSet]] = {}
    uncompared: list[Uncompared] = []
    for key in dict.fromkeys([*heads, *bases]):
        place, seed = key
        before, after = bases.get(key), heads.get(key)
        both = []
        for model, one, other in _answers(before, after, metric):
            if one.status == other.status == "ok":
                both.append(model)
            elif kind := _kind(one.status, other.status, key in asked and model in models):
                cell = ComparedCell(place, model)
                uncompared.append(Uncompared(cell, seed, kind, one.status, other.status, _reason(one, other)))
        if before is not None and after is not None:
            points.setdefault(place, []).append(PairedSet(before, after, tuple(both)))
    return Pairing(tuple(_point(sets, headline_only) for sets in points.values()), tuple(uncompared))


def _whole_sets(losses: StoredLosses, other: StoredLosses) -> dict[Key, LossSet]:
    """Return the prompt sets by key, without those that an interrupted run has in part only."""
    wanted = {loss_set.key: loss_set.n_prompts for loss_set in other.sets}
    is_running = losses.manifest.status == "running"
    return {
        loss_set.key: loss_set
        for loss_set in losses.sets
        if not (is_running and loss_set.n_prompts < wanted.get(loss_set.key, 0))
    }


def _run_models(losses: StoredLosses) -> set[str]:
    """Return the models that were run at all: a run may be narrowed to some of its suite's models."""
    return {model for loss_set in losses.sets for model, cell in loss_set.cells.items() if cell.status != "missing"}


def _answers(
    before: LossSet | None, after: LossSet | None, metric: str
) -> Iterator[tuple[str, StoredCell, StoredCell]]:
    """Yield every model with what became of it in BASE and in HEAD."""
    cells: tuple[Mapping[str, StoredCell], ...] = tuple(
        loss_set.cells if loss_set else {} for loss_set in (after, before)
    )
    for model in dict.fromkeys(model for held in cells for model in held if model != PROMPTS):
        other, one = (_with_metric(held.get(model, _NOT_RUN), metric) for held in cells)
        yield model, one, other


def _with_metric(cell: StoredCell, metric: str) -> StoredCell:
    """Return the cell, `skipped` with the reason where it was answered but has no such loss."""
    if cell.status != "ok" or metric in cell.tails:
        return cell
    return StoredCell("skipped", cell.absent.get(metric, f"the losses {metric} were not stored"))


def _kind(base: str, head: str, was_asked: bool) -> str | None:
    """Return why a cell is not compared; None when neither run was asked it."""
    if base == head == "missing":
        return None
    if base == head == "skipped":
        return SKIPPED
    if base in FAILED or head in FAILED:
        return BROKEN
    return NEW if base == "missing" and not was_asked else MISSING


def _reason(base: StoredCell, head: StoredCell) -> str:
    """Return the message of the run that lacks the cell, HEAD's where both do."""
    return head.message if head.status != "ok" else base.message


def _point(sets: list[PairedSet], headline_only: bool) -> PairedPoint:
    """Pool the seeds of one scenario and severity; NotComparableError when they share no context size."""
    first = sets[0]
    held = [set(loss_set.context_sizes) for paired in sets for loss_set in (paired.base, paired.head)]
    sizes = sorted(set.intersection(*held))
    if not sizes:
        raise NotComparableError(
            f"{first.base.name}: no context size is in both runs (BASE has {_listed(first.base.context_sizes)};"
            f" HEAD has {_listed(first.head.context_sizes)}): run both with the same suite"
        )
    headline = first.base.headline_size if first.base.headline_size in sizes else sizes[-1]
    return PairedPoint(tuple(sets), (headline,) if headline_only else tuple(sizes), headline)


def _listed(sizes: tuple[int, ...]) -> str:
    return ", ".join(map(str, sizes))
