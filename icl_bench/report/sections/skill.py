"""Skill: the headline score, ranked; learners and algorithms, then what stands by."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from icl_bench.formatting import printable, short
from icl_bench.rendering.table import Cell, Column, Row, Table
from icl_bench.report.section import Content, Section
from icl_bench.report.skill_wording import HELD_AGAINST, ends, rank, signed
from icl_bench.scores.skill_breaks import breaks, breaks_text
from icl_bench.scores.skill_records import AXIS, OVERALL, UNSHIFTED, LeftOut, Skills, SkillScore
from icl_bench.scores.summary import Summary
from icl_bench.tables.model_cards import YARDSTICK

TITLE = "Skill: how near each learner comes to the best possible answer"
FIELDS = tuple(field.name for field in dataclasses.fields(SkillScore))


def content(summary: Summary) -> Content | None:
    """Return models by skill under shift; where there is none, why."""
    found = summary.skills
    if not found.of(OVERALL):
        return Content(TITLE, notes=(found.note,)) if found.note else None
    return Content(TITLE, tables=(_table(summary),), notes=_notes(found))


def by_skill(skills: Skills) -> list[SkillScore]:
    """Return the overall scores, learners and algorithms by skill, yardsticks after them; those without one last."""

    def place(score: SkillScore) -> tuple[bool, bool, float]:
        return (score.kind == YARDSTICK, score.skill is None, -(score.skill or 0.0))

    return sorted(skills.of(OVERALL).values(), key=place)


def _table(summary: Summary) -> Table:
    found = summary.skills
    axes = list(dict.fromkeys(name for _, name in found.of(AXIS)))
    columns = [Column("unshifted"), *(Column(axis, "skill by axis") for axis in axes)]
    columns += [Column(title) for title in ("overall", "95% interval", "rank")]
    columns += [Column(title, align="left") for title in ("breaks at", "worst")]
    rows = tuple(Row((score.model,), _cells(summary, score, axes)) for score in by_skill(found))
    ranked = sum(score.kind != YARDSTICK for score in found.of(OVERALL).values())
    return Table(tuple(columns), rows, ("",), rule_after=ranked if 0 < ranked < len(rows) else None)


def _cells(summary: Summary, score: SkillScore, axes: Sequence[str]) -> tuple[Cell, ...]:
    found, model = summary.skills, score.model
    unshifted = next((own for (label, _), own in found.of(UNSHIFTED).items() if label == model), None)
    by_axis = found.of(AXIS)
    worst = "" if score.worst is None else f"{signed(score.worst)} {score.worst_at}"
    return (
        number(unshifted),
        *(number(by_axis.get((model, axis))) for axis in axes),
        number(score),
        Cell(ends(score), key=score.ci_low),
        Cell(rank(score), key=score.rank_low),
        Cell(breaks_text(breaks(summary.skills, summary.manifest).get(model, ())) or "-"),
        Cell(worst, key=score.worst),
    )


def number(score: SkillScore | None) -> Cell:
    """Return a skill as a cell; a dash where there is none."""
    if score is None or score.skill is None:
        return Cell("-", "none", note="" if score is None else printable(score.message))
    return Cell(signed(score.skill), standing(score), score.skill, note=printable(score.message))


def standing(score: SkillScore) -> str:
    """Return how a skill stands to predicting zero, by its whole interval where there is one."""
    value = score.skill if score.skill is not None else 0.0
    high = score.ci_high if score.ci_high is not None else value
    if high <= 0.0:
        return "at_zero"
    return "near_bayes" if value >= NEAR_BAYES else "between"


NEAR_BAYES = 0.95


def _notes(found: Skills) -> tuple[str, ...]:
    lines = [found.note] if found.note else []
    lines.append(f"{HELD_AGAINST[found.basis]} {MEANING}")
    return (*lines, *left_out_lines(found.left_out))


MEANING = (
    "Severities are averaged within a scenario, scenarios within an axis, axes in the run; a severity that was not"
    " answered counts -1. Ranks are intervals, 95% for all together; intervals are for these laws as drawn. Breaks at:"
    " the first severity, going outward, at which it is surely no better than predicting zero."
)


def left_out_lines(left_out: Sequence[LeftOut]) -> tuple[str, ...]:
    """Return what counts for nobody, a line a reason."""
    grouped: dict[str, list[str]] = {}
    for item in left_out:
        share = "" if item.best is None else f" (b^2/f^2 {short(item.best)})"
        grouped.setdefault(printable(item.reason), []).append(item.place.name + share)
    return tuple(f"left out: {', '.join(names)}: {reason}" for reason, names in grouped.items())


def records(summary: Summary) -> Iterator[dict[str, Any]]:
    """Yield every skill: overall, of axes, scenarios and cells, unshifted."""
    for score in summary.skills.scores:
        yield dataclasses.asdict(score)


def _document(summary: Summary) -> dict[str, Any]:
    found = summary.skills
    left_out = [{"name": item.place.name, "reason": item.reason, "best": item.best} for item in found.left_out]
    held = {"basis": found.basis, "note": found.note, "left_out": left_out, "scores": list(records(summary))}
    return {"skill": held}


SECTION = Section(order=5, content=content, records=records, fields=FIELDS, document=_document)
