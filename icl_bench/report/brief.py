"""The first screen: what was run, who holds up, who breaks first and where, one ranked table, and what to do next.

At 80 columns it has at most 45 lines, whatever the run: what does not fit is counted, and `report --full` has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from icl_bench.formatting import printable, shortened
from icl_bench.rendering.table import Cell, Column, Row, Table
from icl_bench.rendering.terminal import NARROWEST, styled, table_lines, wrapped
from icl_bench.report import wording
from icl_bench.report.brief_sentences import sentences
from icl_bench.report.sections.skill import by_skill, left_out_lines, number
from icl_bench.report.skill_wording import HELD_AGAINST, rank, signed
from icl_bench.scores.overview import Overview
from icl_bench.scores.skill_breaks import Break, breaks
from icl_bench.scores.skill_records import AXIS, UNSHIFTED, SkillScore
from icl_bench.tables.model_cards import ALGORITHM, LEARNER, YARDSTICK

if TYPE_CHECKING:
    from rich.text import Text

MOST_LINES = 45
COLUMNS = 80
"""The width that the number of lines holds for; wider terminals get wider columns."""
OWN = "*"
"""Marks a model of the user's own."""
FEWEST_ROWS = 3
SHORTEST_PLACE = 8


def lines(found: Overview, width: int) -> Iterator[Text]:
    """Yield the first screen line by line, none wider than `width` (at least 40)."""
    width = max(width, NARROWEST)
    above, below = list(_above(found, width)), list(_below(found, width))
    yield from above
    yield from _fitted(found, width, MOST_LINES - len(above) - len(below))
    yield from below


def _above(found: Overview, width: int) -> Iterator[Text]:
    yield styled(wording.title(found), "bold")
    for line in wording.head(found):
        yield from _short(line, width)
    if said := list(sentences(found)):
        yield styled("")
        for line in said:
            yield from _short(line, width, at_most=3)


def _short(line: str, width: int, at_most: int = 2) -> Iterator[Text]:
    """Yield a sentence in at most so many lines; the last says that there is more."""
    parts = list(wrapped(line, width))
    yield from parts[: at_most - (len(parts) > at_most)]
    if len(parts) > at_most:
        yield styled(parts[at_most - 1].plain[: width - 2].rstrip() + " …")


def _below(found: Overview, width: int) -> Iterator[Text]:
    yield styled("")
    flags = [*wording.coverage_lines(found), *_failures(found), *left_out_lines(found.skills.left_out)]
    for line in flags[:MOST_FLAGS]:
        yield from _short(line, width, at_most=2)
    if len(flags) > MOST_FLAGS:
        yield styled(f"and {len(flags) - MOST_FLAGS} more remarks")
    yield styled("")
    yield from _short(f"all tables: icl-bench report {found.folder} --full", width)
    yield from _short(f"figure: icl-bench plot {found.folder} --out skill.pdf", width)


MOST_FLAGS = 5


def _failures(found: Overview) -> Iterator[str]:
    """Yield what failed, a line a status and message; what the laws cannot have is told by what skill leaves out."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for trouble in found.troubles:
        if trouble.status != "skipped":
            grouped.setdefault((trouble.status, trouble.message), []).append(trouble.model)
    for (status, message), models in grouped.items():
        yield f"{status}: {', '.join(dict.fromkeys(models))}: {printable(message)}"


def _fitted(found: Overview, width: int, room: int) -> Iterator[Text]:
    """Yield the ranked table with as many models as there is room for: from the top, and all yardsticks."""
    scores = by_skill(found.skills)
    if not scores or found.skills.note.startswith("no skill"):
        yield styled("")
        yield from wrapped(found.skills.note or "no skill: no model was asked", width)
        return
    ranked = [score for score in scores if score.kind != YARDSTICK]
    standing_by = [score for score in scores if score.kind == YARDSTICK]
    for kept in range(len(ranked), -1, -1):
        shown = _most_telling(ranked, kept, found)
        drawn = list(_drawn(found, shown, standing_by, len(ranked) - len(shown), width))
        if len(drawn) <= room or kept <= FEWEST_ROWS:
            yield from drawn
            return


def _most_telling(ranked: Sequence[SkillScore], kept: int, found: Overview) -> list[SkillScore]:
    """Return so many models, those of the user's own before the others, in their order."""
    cards = found.manifest.model_cards
    own = [score for score in ranked if score.model in cards and cards[score.model].own][:kept]
    others = [score for score in ranked if score not in own][: kept - len(own)]
    return [score for score in ranked if score in own or score in others]


def _drawn(
    found: Overview, ranked: Sequence[SkillScore], standing_by: Sequence[SkillScore], more: int, width: int
) -> Iterator[Text]:
    yield styled("")
    if found.skills.note:
        yield from _short(found.skills.note, width)
    yield from table_lines(_table(found, ranked, standing_by, width), width)
    rest = [f"and {more} more"] if more else []
    cards = found.manifest.model_cards
    if any(score.model in cards and cards[score.model].own for score in ranked):
        rest.append(f"{OWN} your own")
    unscored = any(score.ci_low is None and score.skill is not None for score in (*ranked, *standing_by))
    rest += ["?: no interval, all prompts share one draw"] if unscored else []
    scale = HELD_AGAINST[found.skills.basis]
    yield from _short("; ".join([*rest, scale[0].lower() + scale[1:]]), width)


def _table(found: Overview, ranked: Sequence[SkillScore], standing_by: Sequence[SkillScore], width: int) -> Table:
    """Return learners, then algorithms, each by skill with a rank among all; yardsticks below a rule."""
    axes = list(dict.fromkeys(name for _, name in found.skills.of(AXIS)))
    wide = width >= WIDE_ENOUGH
    columns = [Column("base"), *(Column(name) for name in (axes if wide else _abbreviated(axes)))]
    columns += [Column("overall" if wide else "all"), Column("low"), Column("high"), Column("rank", align="left")]
    parts: list[tuple[str, list[SkillScore]]] = [
        ("learners", [score for score in ranked if score.kind == LEARNER]),
        ("algorithms", [score for score in ranked if score.kind == ALGORITHM]),
    ]
    titled = all(members for _, members in parts)
    lines: list[tuple[str, SkillScore | None]] = []
    for title, members in parts:
        lines += [(title + ":", None)] if titled else []
        lines += [(("  " if titled and wide else "") + _label(found, score), score) for score in members]
    rule = len(lines) if lines and standing_by else None
    lines += [(_label(found, score), score) for score in standing_by]
    texts: list[list[Cell]] = [[] if score is None else _numbers(found, score, axes) for _, score in lines]
    taken = max(len(label) for label, _ in lines)
    for at, column in enumerate(columns):
        taken += 1 + wide + max(len(column.title), *(len(row[at].text) for row in texts if row))
    room = max(SHORTEST_PLACE, width - taken - 1 - wide)
    broken = breaks(found.skills, found.manifest)
    rows = []
    for (label, score), row in zip(lines, texts, strict=True):
        where = "" if score is None else where_text(score, broken.get(score.model, ()), room)
        rows.append(Row((label,), (*(row or [Cell("")] * len(columns)), Cell(where))))
    columns.append(Column(BREAKS if room >= len(BREAKS) else BREAKS.partition(",")[0][:room], align="left"))
    return Table(tuple(columns), tuple(rows), ("model",), rule_after=rule)


BREAKS = "breaks at, worst"
WIDE_ENOUGH = 110


def _numbers(found: Overview, score: SkillScore, axes: Sequence[str]) -> list[Cell]:
    unshifted = {model: own for (model, _), own in found.skills.of(UNSHIFTED).items()}
    by_axis = found.skills.of(AXIS)
    held = [unshifted.get(score.model), *(by_axis.get((score.model, axis)) for axis in axes), score]
    unknown = "?" if score.skill is not None else ""
    certain = score.ci_low is not None and score.ci_low == score.ci_high
    ends = ["" if certain else unknown if end is None else signed(end) for end in (score.ci_low, score.ci_high)]
    return [*map(number, held), *map(Cell, ends), Cell(rank(score))]


def _label(found: Overview, score: SkillScore) -> str:
    card = found.manifest.model_cards.get(score.model)
    return score.model + (f" {OWN}" if card is not None and card.own else "")


def _abbreviated(axes: Sequence[str]) -> list[str]:
    """Return the axes by their first letters, as many as tell them apart."""
    for letters in range(3, max(map(len, axes), default=3) + 1):
        names = [axis[:letters] for axis in axes]
        if len(set(names)) == len(names):
            return names
    return list(axes)


def where_text(score: SkillScore, broken: Sequence[Break], room: int) -> str:
    """Return `scale 2 +3 -.79 spectrum 0.5`: where a model breaks, then its worst severity, in `room` characters."""
    if score.skill is None:
        return shortened(printable(score.message), room)
    if score.kind == YARDSTICK or score.worst is None:
        return ""
    first = plain = "-"
    if broken:
        place, scenarios = broken[0].place, {item.place.scenario for item in broken}
        plain = f"{place.inner} {place.label}".strip()
        first = plain + (f" +{len(scenarios) - 1}" if len(scenarios) > 1 else "")
    worst_at = score.worst_at.partition("/")[2] or score.worst_at
    worst = signed(score.worst)
    texts = (f"{first} {worst} {worst_at}", f"{first} {worst}", first, plain)
    return next((text for text in texts if len(text) <= room), shortened(plain, room))
