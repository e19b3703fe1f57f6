"""Breakdown severities: where, going outward from no shift, a model stops beating the zero predictor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from icl_bench.places import Place
from icl_bench.scores.points import Point


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Where one model breaks down in one scenario.

    Judged by the 95% interval of the normalised error (of its median where the mean or its variance does not exist)
    lying wholly at or above 1. With 95% confidence it lies between `earliest` and `severities`.
    """

    scenario: str
    model: str
    severities: tuple[str, ...]  # the first below and the first above the unshifted severity; empty: none
    earliest: tuple[str, ...]  # of each of them, the first severity on that side whose interval leaves it open
    estimated: str  # else the first whose estimate, not its interval, is at or above 1; empty: none
    unshifted: bool  # broken without any shift
    known: bool  # whether any severity of the grid could be judged


def breakdowns(
    base: Point | None, shifted: Sequence[Point], models: Sequence[str], identities: Mapping[str, float]
) -> tuple[Breakdown, ...]:
    """Return the breakdown of every model in every scenario.

    `identities` maps a scenario to its unshifted severity; a scenario without one is read from its first severity on.
    """
    grouped: dict[str, list[Point]] = {}
    for point in shifted:
        grouped.setdefault(point.place.scenario, []).append(point)
    return tuple(
        _breakdown(scenario, model, base, members, identities.get(scenario))
        for scenario, members in grouped.items()
        for model in models
    )


def _breakdown(
    scenario: str, model: str, base: Point | None, members: Sequence[Point], identity: float | None
) -> Breakdown:
    unshifted = base is not None and bool(base.entries[model].broken)
    judged = [point for point in members if point.entries[model].broken is not None]
    at = {point.place: point for point in members}
    sides = [[at[place] for place in side] for side in outward(list(at), identity)]
    found = [next((point.place.label for point in side if point.entries[model].broken), "") for side in sides]
    doubtful = [point.place.label for side in sides for point in side if _at_or_above_one(point, model)]
    severities = tuple(label for label in found if label)
    earliest = tuple(
        next(point.place.label for point in side if point.entries[model].may_be_broken)
        for side, label in zip(sides, found, strict=True)
        if label
    )
    estimated = "" if severities else next(iter(doubtful), "")
    return Breakdown(scenario, model, severities, earliest, estimated, unshifted, bool(judged))


def _at_or_above_one(point: Point, model: str) -> bool:
    error = point.entries[model].error
    return error is not None and error.value >= 1.0


def outward(places: Sequence[Place], identity: float | None) -> tuple[list[Place], ...]:
    """Return the severities of a scenario in the order of growing shift, one list for each side of the identity."""
    ordered = sorted(places, key=lambda place: place.order)
    if identity is None:
        return (ordered,)
    below = [place for place in reversed(ordered) if place.severity is not None and place.severity < identity]
    above = [place for place in ordered if place.severity is None or place.severity > identity]
    return below, above
