"""The ranked scoreboard as a fragment of HTML, for a notebook: no script, no style of its own to clash with others."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup, escape

from icl_bench.report import wording
from icl_bench.report.brief_sentences import sentences
from icl_bench.report.sections.skill import by_skill, number
from icl_bench.report.skill_wording import ends, rank
from icl_bench.scores.overview import Overview
from icl_bench.scores.skill_breaks import breaks, breaks_text
from icl_bench.scores.skill_records import AXIS, UNSHIFTED, SkillScore


def scoreboard(found: Overview) -> str:
    """Return what was run, who holds up and who breaks, and the table of all models."""
    scores = by_skill(found.skills)
    said = [wording.title(found), *wording.head(found), *sentences(found)]
    if found.skills.note or not scores:
        said.append(found.skills.note or "no skill: no model was asked")
    text = Markup("<br>").join(map(escape, said))
    table = Markup("").join(_table(found, scores)) if scores else Markup("")
    return str(Markup("<div><p>{}</p>{}</div>").format(text, table))


def _table(found: Overview, scores: list[SkillScore]) -> Iterator[Markup]:
    axes = list(dict.fromkeys(name for _, name in found.skills.of(AXIS)))
    broken = breaks(found.skills, found.manifest)
    unshifted = {model: score for (model, _), score in found.skills.of(UNSHIFTED).items()}
    by_axis = found.skills.of(AXIS)
    heads = ("rank", "model", "kind", "unshifted", *axes, "skill", "95% interval", "breaks at")
    yield Markup("<table><thead><tr>{}</tr></thead><tbody>").format(_cells("th", heads))
    for score in scores:
        held = [unshifted.get(score.model), *(by_axis.get((score.model, axis)) for axis in axes), score]
        numbers = [number(own).text for own in held]
        where = breaks_text(broken.get(score.model, ()))
        row = (rank(score), score.model, score.kind, *numbers, ends(score), where)
        yield Markup("<tr>{}</tr>").format(_cells("td", row))
    yield Markup("</tbody></table>")


def _cells(tag: str, texts: tuple[str, ...]) -> Markup:
    return Markup("").join(Markup("<{0}>{1}</{0}>").format(tag, text) for text in texts)
