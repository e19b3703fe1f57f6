"""The ranked scoreboard: the first thing on the page, a table that reads without a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from icl_bench.formatting import printable
from icl_bench.report import wording
from icl_bench.report.page.headline import NamedRun
from icl_bench.report.sections.skill import MEANING, by_skill, left_out_lines
from icl_bench.report.skill_wording import HELD_AGAINST, ends, rank, signed
from icl_bench.scores.skill_breaks import breaks, breaks_text
from icl_bench.scores.skill_records import AXIS, UNSHIFTED, SkillScore
from icl_bench.tables.model_cards import YARDSTICK, ModelCard

OWN_MEANS = "own: from a file, package or checkpoint folder of the user's, not from the catalogue."
APART_MEANS = "Yardsticks stand below and have no rank."


@dataclass(frozen=True, slots=True)
class Shade:
    """A number that is coloured by skill: whole percents of the way from 0 up to 1, or down to -1."""

    text: str
    key: str  # what it is sorted by; empty: it has no number
    up: int
    down: int


@dataclass(frozen=True, slots=True)
class Bar:
    """A skill with its interval as lengths along its axis, in percent of its width, as CSS takes them."""

    zero: str
    start: str
    length: str
    low: str
    reach: str


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A row of the scoreboard."""

    index: int  # of the model among all of the page
    rank: str
    rank_key: str
    name: str
    kind: str
    own: bool
    overall: Shade
    interval: str
    bar: Bar | None
    others: tuple[Shade, ...]  # unshifted, then by axis
    breaks_at: str
    worst: Shade
    worst_at: str
    note: int  # number of its remark; 0: none


@dataclass(frozen=True, slots=True)
class Scoreboard:
    """The scoreboard of a run; without rows, `remarks` say why."""

    name: str  # of the run; empty where the page shows no other
    lead: str
    remarks: tuple[str, ...]
    axes: tuple[str, ...]
    ranked: tuple[BoardRow, ...]
    apart: tuple[BoardRow, ...]
    notes: tuple[str, ...]  # remarks on rows, numbered from 1
    meaning: str
    explained: tuple[str, ...]


def scoreboards(runs: Sequence[NamedRun]) -> list[Scoreboard]:
    """Return the scoreboard of every run: ranks are among the models of one run."""
    return [_scoreboard(run) for run in runs]


def _scoreboard(run: NamedRun) -> Scoreboard:
    found = run.summary.skills
    scores = by_skill(found)
    has_skill = any(score.skill is not None for score in scores)
    axes = tuple(dict.fromkeys(name for _, name in found.of(AXIS))) if has_skill else ()
    notes: dict[str, int] = {}
    rows = _rows(run, scores, axes, notes) if has_skill else []
    apart = tuple(row for row in rows if row.kind == YARDSTICK)
    explained = [MEANING] if has_skill else []
    explained += [APART_MEANS] if apart else []
    explained += [OWN_MEANS] if any(row.own for row in rows) else []
    return Scoreboard(
        name="" if run.alone else run.name,
        lead=_lead(run),
        remarks=_remarks(run, has_skill),
        axes=axes,
        ranked=tuple(row for row in rows if row.kind != YARDSTICK),
        apart=apart,
        notes=tuple(notes),
        meaning=HELD_AGAINST[found.basis] if has_skill else "",
        explained=(*explained, *left_out_lines(found.left_out)),
    )


def _lead(run: NamedRun) -> str:
    """Return what was run, and how many cells of it there are, in one line."""
    first, cells = wording.head(run.summary)[0], wording.coverage_lines(run.summary)[0]
    return f"{first}; {cells}"


def _remarks(run: NamedRun, has_skill: bool) -> tuple[str, ...]:
    note = printable(run.summary.skills.note)
    if has_skill:
        return (note,) if note else ()
    return (note or "no skill: no model has a number that it could be computed from",)


def _rows(run: NamedRun, scores: Sequence[SkillScore], axes: Sequence[str], notes: dict[str, int]) -> list[BoardRow]:
    found, manifest = run.summary.skills, run.summary.manifest
    broken, by_axis = breaks(found, manifest), found.of(AXIS)
    unshifted = {model: score for (model, _), score in found.of(UNSHIFTED).items()}
    indices = {label: index for index, _, label in run.labels()}
    least = min((score.ci_low or 0.0 for score in scores), default=0.0)
    least = min(0.0, least, *(score.skill or 0.0 for score in scores))
    rows = []
    for score in scores:
        remark = printable(score.message)
        rows.append(
            BoardRow(
                index=indices[score.model],
                rank=rank(score),
                rank_key="" if score.rank_low is None else str(score.rank_low + (score.rank_high or 0) * 1e-6),
                name=score.model,
                kind=score.kind,
                own=_is_own(manifest.model_cards, score.model),
                overall=_shade(score.skill),
                interval=ends(score),
                bar=_bar(score, least),
                others=(
                    _of(unshifted.get(score.model)),
                    *(_of(by_axis.get((score.model, axis))) for axis in axes),
                ),
                breaks_at=breaks_text(broken.get(score.model, ())),
                worst=_shade(score.worst),
                worst_at=score.worst_at,
                note=notes.setdefault(remark, len(notes) + 1) if remark else 0,
            )
        )
    return rows


def _is_own(cards: Mapping[str, ModelCard], model: str) -> bool:
    return model in cards and cards[model].own


def _of(score: SkillScore | None) -> Shade:
    return _shade(None if score is None else score.skill)


def _shade(value: float | None) -> Shade:
    if value is None:
        return Shade("-", "", 0, 0)
    share = round(100 * abs(value))
    return Shade(signed(value), f"{value:.6g}", share if value > 0.0 else 0, share if value < 0.0 else 0)


def _bar(score: SkillScore, least: float) -> Bar | None:
    """Return a skill drawn on an axis from `least`, at most 0, to 1; None without one."""
    if score.skill is None:
        return None

    def place(value: float) -> float:
        return 100.0 * (value - least) / (1.0 - least)

    def text(length: float) -> str:
        return f"{length:.2f}%"

    low = score.skill if score.ci_low is None else score.ci_low
    high = score.skill if score.ci_high is None else score.ci_high
    start, end = sorted((place(0.0), place(score.skill)))
    return Bar(text(place(0.0)), text(start), text(end - start), text(place(low)), text(place(high) - place(low)))
