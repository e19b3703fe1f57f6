"""Skill as the page's script draws it: of every severity and unshifted, and the order of the scoreboard."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from icl_bench.formatting import printable
from icl_bench.report.sections.skill import by_skill
from icl_bench.report.skill_wording import HELD_AGAINST
from icl_bench.scores.skill_records import CELL, UNSHIFTED, SkillScore
from icl_bench.scores.summary import Summary

STEPS = 10000
"""Skills travel as whole numbers: a skill of 1 is so many."""
LARGEST_UNCAPPED = 1e9
"""Beyond it, in size, an uncapped score says no more than that it is beyond."""
SHARES = ("skill", "ci_low", "ci_high", "at_cap")
"""What is kept in steps; all of it lies within -1 and 1."""


def skills(summary: Summary) -> dict[str, Any]:
    """Return what a run's plots of skill need; `cells` is flat over (point, model), messages are numbered from 1.

    `unshifted` stands for any unshifted severity. A number that there is not is None; without skill `cells` is empty
    and `note` says why.
    """
    found, models = summary.skills, summary.models
    order = [models.index(score.model) for score in by_skill(found)]
    order += [column for column in range(len(models)) if column not in set(order)]
    held = {"basis": found.basis, "note": printable(found.note), "order": order}
    if not any(score.skill is not None for score in found.scores):
        return {**held, "basis": "", "meaning": "", "cells": {}, "unshifted": {}, "messages": []}
    messages: dict[str, int] = {}
    cells, unshifted = found.of(CELL), found.of(UNSHIFTED)
    base = next((name for _, name in unshifted), "")
    own = {**cells, **unshifted}
    every = (own.get((model, point.place.name)) for point in summary.points for model in models)
    return {
        **held,
        "meaning": HELD_AGAINST[found.basis],
        "cells": _columns(every, messages),
        "unshifted": _columns((unshifted.get((model, base)) for model in models), messages),
        "messages": list(messages),
    }


def _columns(scores: Iterable[SkillScore | None], messages: dict[str, int]) -> dict[str, list[int | float | None]]:
    """Return scores as columns; messages that are not known yet are added to those known."""
    columns: dict[str, list[int | float | None]] = {name: [] for name in (*SHARES, "uncapped", "message")}
    for score in scores:
        for name in SHARES:
            columns[name].append(None if score is None else _steps(getattr(score, name)))
        columns["uncapped"].append(None if score is None else _uncapped(score.uncapped))
        text = "" if score is None else printable(score.message)
        columns["message"].append(messages.setdefault(text, len(messages) + 1) if text else 0)
    return columns


def _steps(value: float | None) -> int | None:
    return None if value is None else round(value * STEPS)


def _uncapped(value: float | None) -> float | None:
    return None if value is None or not abs(value) < LARGEST_UNCAPPED else float(f"{value:.3g}")
