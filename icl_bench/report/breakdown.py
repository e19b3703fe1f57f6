"""Breakdown severities: where, going outward from no shift, a model stops beating the zero predictor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from icl_bench.report.points import Point


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Where one model breaks down in one scenario.

    Judged by the 95% interval of the normalised error (of its median where the mean or its variance does not exist)
    lying wholly at or above 1.
    """

    scenario: str
    model: str
    severities: tuple[str, ...]  # the first below and the first above the unshifted severity; empty: none
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
    found = []
    for side in _outward(members, identity):
        first = next((point for point in side if point.entries[model].broken), None)
        if first is not None:
            found.append(first.place.label)
    return Breakdown(scenario, model, tuple(found), unshifted, bool(judged))


def _outward(members: Sequence[Point], identity: float | None) -> tuple[list[Point], ...]:
    """Return the points of a scenario in the order of growing shift, one list for each side of the identity."""
    ordered = sorted(members, key=lambda point: point.place.order)
    if identity is None:
        return (ordered,)
    below = [point for point in reversed(ordered) if point.place.severity is not None and point.place.severity < identity]
    above = [point for point in ordered if point.place.severity is None or point.place.severity > identity]
    return below, above
