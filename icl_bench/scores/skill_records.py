"""What a skill is, over whichever severities, and what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.places import Place

OVERALL, AXIS, SCENARIO, CELL, UNSHIFTED = "overall", "axis", "scenario", "cell", "unshifted"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A severity that counts for nobody."""

    place: Place
    reason: str
    best: float | None  # mean b^2 / mean f^2, as far as known: what there was to know


@dataclass(frozen=True, slots=True)
class SkillScore:
    """The skill of one model over some severities; a number that there is not is None, and `message` says why."""

    model: str
    kind: str  # learner | algorithm | yardstick
    scope: str  # overall | axis | scenario | cell | unshifted
    name: str  # of the axis, the scenario, or a cell with its severity
    skill: float | None
    ci_low: float | None
    ci_high: float | None
    uncapped: float | None  # 1 - E e^2 / E b^2, of cells
    at_cap: float | None  # share of answers that count at the cap, of cells
    n_points: int  # severities that entered
    n_possible: int  # severities that the score is over
    worst: float | None  # the least skill of any of them
    worst_at: str
    rank_low: int | None  # overall
    rank_high: int | None
    basis: str  # bayes | f
    message: str


@dataclass(frozen=True, slots=True)
class Skills:
    """Every skill of a run."""

    basis: str  # bayes | f; empty where the run has no skill
    scores: tuple[SkillScore, ...]
    left_out: tuple[LeftOut, ...]
    places: tuple[Place, ...] = ()  # that count, in the order of the suite
    note: str = ""  # why there are none, or what they are held against

    def of(self, scope: str) -> dict[tuple[str, str], SkillScore]:
        """Return the scores of one scope by model and name."""
        return {(score.model, score.name): score for score in self.scores if score.scope == scope}
