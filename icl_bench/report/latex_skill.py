"""The table of skill for a paper: one float with booktabs, a label, a short caption, aligned decimals, bold bests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from icl_bench.rendering.escaping import latex, latex_comment
from icl_bench.report import wording
from icl_bench.report.sections.skill import by_skill
from icl_bench.report.skill_wording import rank
from icl_bench.scores.skill_records import AXIS, OVERALL, UNSHIFTED, SkillScore
from icl_bench.scores.summary import Summary
from icl_bench.tables.model_cards import YARDSTICK


def skill_table(summary: Summary, notes: Sequence[str]) -> Iterator[str]:
    """Yield the lines of one table; what the terminal says below its own is told in comments.

    Every number has two decimals, so that columns set to the right are aligned at the point. Bold are the best of a
    column among learners and algorithms and those whose interval holds it.
    """
    found = summary.skills
    axes = list(dict.fromkeys(name for _, name in found.of(AXIS)))
    scores = by_skill(found)
    columns = [_of(summary, UNSHIFTED, ""), *(_of(summary, AXIS, axis) for axis in axes), _of(summary, OVERALL, "")]
    best = [_best(column, scores) for column in columns]
    yield from map(latex_comment, notes)
    yield r"\begin{table}"
    yield r"\centering\small"
    yield r"\setlength{\belowcaptionskip}{6pt}"
    yield rf"\caption[Skill under shift]{{{latex(_caption(summary)).replace(' -1 ', ' $-1$ ')}}}"
    yield rf"\label{{tab:skill-{_label(summary.manifest.suite)}}}"
    yield rf"\begin{{tabular}}{{l{'r' * len(columns)}cc}}"
    yield r"\toprule"
    if axes:
        yield rf" & & \multicolumn{{{len(axes)}}}{{c}}{{by axis of shift}} & \multicolumn{{3}}{{c}}{{under shift}} \\"
        yield rf"\cmidrule(lr){{3-{2 + len(axes)}}}\cmidrule(lr){{{3 + len(axes)}-{5 + len(axes)}}}"
    heads = ["model", "unshifted", *axes, "skill", "95\\% interval", "rank"]
    yield " & ".join(head if "%" in head else latex(head) for head in heads) + r" \\"
    yield r"\midrule"
    before = None
    for score in scores:
        if before is not None and (score.kind == YARDSTICK) != (before == YARDSTICK):
            yield r"\midrule"
        before = score.kind
        cells = [_number(column.get(score.model), top) for column, top in zip(columns, best, strict=True)]
        yield " & ".join([latex(score.model), *cells, _interval(score), rank(score).replace("-", "--")]) + r" \\"
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield r"\end{table}"
    yield ""


def _of(summary: Summary, scope: str, name: str) -> dict[str, SkillScore]:
    """Return the scores of a column by model; an unshifted place has whatever name."""
    held = summary.skills.of(scope).items()
    return {model: score for (model, own), score in held if scope == UNSHIFTED or own == name}


def _best(column: dict[str, SkillScore], scores: Sequence[SkillScore]) -> set[str]:
    """Return the models of a column that are bold."""
    ranked = [column[score.model] for score in scores if score.kind != YARDSTICK and score.model in column]
    known = [score for score in ranked if score.skill is not None]
    if len(known) < 2:
        return set()
    top = max(score.skill or 0.0 for score in known)
    return {score.model for score in known if (score.skill if score.ci_high is None else score.ci_high) >= top}  # type: ignore[operator]


def _number(score: SkillScore | None, bold: set[str]) -> str:
    if score is None or score.skill is None:
        return "--"
    text = f"{score.skill + 0.0:.2f}"
    text = text.replace("-0.00", "0.00")
    return rf"$\mathbf{{{text}}}$" if score.model in bold else f"${text}$"


def _interval(score: SkillScore) -> str:
    if score.ci_low is None or score.ci_high is None:
        return ""
    return f"$[{score.ci_low:.2f}, {score.ci_high:.2f}]$".replace("-0.00", "0.00")


def _label(suite: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", suite)


def _caption(summary: Summary) -> str:
    found = summary.skills
    against = "1 is Bayes" if found.basis == "bayes" else "1 is f(x)"
    prompts = max(summary.n_prompts)
    count = next((score.n_possible for score in found.of(OVERALL).values()), 0)
    return (
        f"Skill on {wording.title(summary)}: {against}, 0 predicting zero, -1 the worst possible; {count} severities,"
        f" {prompts:,} prompts each, {len(summary.seeds)} seed{'s' if len(summary.seeds) > 1 else ''}."
        " Bold: the best of a column and what its interval does not tell from it."
    )
