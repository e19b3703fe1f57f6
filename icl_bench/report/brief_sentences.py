"""The one or two sentences of a first screen: who holds up, who breaks first and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from icl_bench.report.skill_wording import signed
from icl_bench.scores.overview import Overview
from icl_bench.scores.skill_breaks import Break, breaks
from icl_bench.scores.skill_records import OVERALL, Skills, SkillScore
from icl_bench.tables.model_cards import LEARNER

NAMED = 4
"""Models that a sentence names before it counts the others."""
TOLD = 2
"""Models of which it says where they break."""


def sentences(found: Overview) -> Iterator[str]:
    """Yield who holds up best under shift, and who breaks, first and where; nothing without a rank."""
    ranked = _ranked(found.skills)
    if ranked:
        yield _best(ranked)
        yield _broken(found, ranked)


def best_of(skills: Skills) -> str:
    """Return who holds up best, or why nobody is ranked."""
    ranked = _ranked(skills)
    return _best(ranked) if ranked else skills.note or "no model is ranked"


def _ranked(skills: Skills) -> list[SkillScore]:
    ranked = [score for score in skills.of(OVERALL).values() if score.rank_low is not None]
    return sorted(ranked, key=lambda score: -(score.skill or 0.0))


def _best(ranked: Sequence[SkillScore]) -> str:
    best = [score for score in ranked if score.rank_low == 1]
    values = [score.skill or 0.0 for score in best]
    low, high = signed(min(values)), signed(max(values))
    skill = low if low == high else f"{low} to {high}"
    if len(ranked) == 1:
        return f"{ranked[0].model} has skill {skill} under shift."
    if len(best) == 1:
        return f"{best[0].model} holds up best: skill {skill} under shift, surely above all others."
    return f"Hold up best: {_listed([score.model for score in best])} (skill {skill} under shift; not told apart)."


def _broken(found: Overview, ranked: Sequence[SkillScore]) -> str:
    broken = breaks(found.skills, found.manifest)
    names = [score for score in ranked if broken.get(score.model)]
    if not names:
        least = min(ranked, key=lambda score: score.worst if score.worst is not None else 0.0)
        if least.worst is None:
            return "No severity tells where any breaks."
        return f"None is surely no better than predicting zero anywhere; lowest: {_at(least)}."
    names.sort(key=lambda score: (score.kind != LEARNER, -_scenarios(broken[score.model]), score.skill or 0.0))
    told = "; ".join(_told(score, broken[score.model]) for score in names[:TOLD])
    return f"No better than predicting zero somewhere: {len(names)} of {len(ranked)}, first {told}."


def _scenarios(own: Sequence[Break]) -> int:
    return len({item.place.scenario for item in own})


def _told(score: SkillScore, own: Sequence[Break]) -> str:
    others = _scenarios(own) - 1
    more = f" and under {others} other shift{'s' if others > 1 else ''}" if others else ""
    return f"{score.model} at {own[0].place.name}{more}"


def _at(score: SkillScore) -> str:
    return f"{score.model} with {signed(score.worst)} at {score.worst_at}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
