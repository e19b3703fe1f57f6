"""The sentences of a comparison."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from icl_bench.compare.amounts import counted, level, magnitude
from icl_bench.compare.cells import BROKEN, MISSING, NEW, SKIPPED, Uncompared
from icl_bench.compare.comparison import Changes, Comparison
from icl_bench.compare.judging import EQUAL, IMPROVEMENT, NO_WORSE, POWER, REGRESSION, UNDECIDED
from icl_bench.compare.limits import RELATIVE_FLOOR
from icl_bench.formatting import printable, short
from icl_bench.statistics.effective_number import FEWEST_EFFECTIVE

_WORDS = {
    REGRESSION: "worse",
    IMPROVEMENT: "better",
    UNDECIDED: "too noisy to tell",
    NO_WORSE: "no worse",
    EQUAL: "equal to the bit",
}
_KINDS = {
    MISSING: "missing in one run",
    BROKEN: "failed",
    NEW: "new in HEAD",
    SKIPPED: "skipped by both",
}


def verdict(comparison: Comparison) -> str:
    """Return the first line: how it ends, and why."""
    cells, margin = len(comparison.cells), level(comparison.settings.margin)
    regressions = len(comparison.of(REGRESSION))
    lacking = "" if comparison.settings.allow_missing else incomplete(comparison.changes)
    if regressions:
        also = f"; {lacking}" if lacking else ""
        return f"REGRESSION: {regressions:,} of {counted(cells, 'cell')} got worse by more than {margin}{also}"
    if not cells:
        why = incomplete(comparison.changes) or "the runs share no cell that answered"
        return f"INCOMPLETE: nothing was compared: {why}"
    rest = f"no regression among {counted(cells, 'cell')}"
    if len(comparison.of(EQUAL)) == cells:
        rest = f"every loss of {counted(cells, 'cell')} is equal to the bit"
    if lacking:
        return f"INCOMPLETE: {lacking}; {rest}"
    return f"PASS: {rest}"


def incomplete(changes: Changes) -> str:
    """Return how many cells are missing or failed, empty when none is."""
    number = len({item.cell for item in changes.incomplete})
    return f"{counted(number, 'cell')} {'is' if number == 1 else 'are'} missing or failed" if number else ""


def head(comparison: Comparison) -> tuple[str, ...]:
    """Return what was compared, how, and what the counts are."""
    settings = comparison.settings
    lines = [
        f"{comparison.suite} version {comparison.suite_version}: BASE {comparison.base}, HEAD {comparison.head}",
    ]
    if comparison.cells:
        counts = comparison.counts
        lines.append("cells: " + ", ".join(f"{counts[name]:,} {word}" for name, word in _WORDS.items()))
        lines.append(method(comparison))
    if detectable := detectable_line(comparison):
        lines.append(detectable)
    if settings.allow_missing and (lacking := incomplete(comparison.changes)):
        lines.append(f"{lacking}, which --allow-missing lets pass")
    lines += [f"note: {printable(text)}" for text in comparison.changes.notes]
    return tuple(lines)


def method(comparison: Comparison) -> str:
    """Return what the test is: metric, margin, error rate, how many hypotheses."""
    settings = comparison.settings
    prompts = sorted({judged.found.n_prompts for judged in comparison.cells})
    many = " to ".join(f"{number:,}" for number in sorted({prompts[0], prompts[-1]}))
    hypotheses = sum(len(judged.found.sizes) for judged in comparison.cells)
    return (
        f"{comparison.changes.metric} of {many} paired prompts a cell; margin {level(settings.margin)}; the chance"
        f" of any false alarm among {counted(hypotheses, 'context size')} is at most {settings.alpha:g} (Holm);"
        f" {RELATIVE_FLOOR:.0e} of the signal is added to both risks" + _cut(comparison)
    )


def _cut(comparison: Comparison) -> str:
    """Return what `cut` before a change means, where any cell has it."""
    if all(judged.found.by_mean.all() for judged in comparison.cells):
        return ""
    return (
        f"; cut: where a mean rests on fewer than {FEWEST_EFFECTIVE:.0f} effective prompts, or does not exist, a loss"
        " counts up to (2 E|f|)^2"
    )


def detectable_line(comparison: Comparison) -> str:
    """Return the smallest rise that would have been found, over the cells whose losses differ."""
    known = [(judged.detectable, judged) for judged in comparison.cells if judged.detectable is not None]
    if not known:
        return ""
    worst, judged = max(known, key=lambda item: item[0])
    middle, change = statistics.median(share for share, _ in known), "fall" if judged.found.better_high else "rise"
    return (
        f"smallest {change} found with {POWER:.0%} power: {magnitude(middle)} in the median cell,"
        f" {magnitude(worst)} in the noisiest ({printable(judged.found.cell.name)})"
    )


def uncompared_lines(uncompared: Sequence[Uncompared]) -> tuple[str, ...]:
    """Return one line per kind, pair of statuses and message, naming the models that share it."""
    shared: dict[tuple[str, str, str, str], list[Uncompared]] = {}
    for item in uncompared:
        shared.setdefault((item.kind, item.base, item.head, item.message), []).append(item)
    order = {kind: place for place, kind in enumerate(_KINDS)}
    lines = []
    for (kind, base, other, message), members in sorted(shared.items(), key=lambda pair: order[pair[0][0]]):
        models = dict.fromkeys(printable(item.cell.model) for item in members)
        cells = {item.cell for item in members}
        said = "" if kind == NEW else f": {printable(message)}"
        lines.append(
            f"{_KINDS[kind]} (BASE {base}, HEAD {other}): {', '.join(models)}{said};"
            f" {counted(len(cells), 'cell')}, such as {printable(members[0].cell.place.name)}, seed {members[0].seed}"
        )
    return tuple(lines)


def skill_lines(comparison: Comparison) -> tuple[str, ...]:
    """Return what the changes of skill are, or why there are none."""
    found = comparison.skills
    if not found.changes:
        return (printable(found.note),)
    moved = sum(item.change != 0.0 for item in found.changes)
    said = f"{moved} of {len(found.changes)} models moved; 1 is Bayes, 0 predicting zero; it decides nothing."
    return (said, *([printable(found.note)] if found.note else []))


def scores_lines(comparison: Comparison) -> tuple[str, ...]:
    """Return what the changes of run-level scores are."""
    found = comparison.scores
    kappa = "" if found.kappa is None else f" kappa = {short(found.kappa)} ({found.kappa_source})."
    return (
        "AUSC: rise of the mean log10 of R + kappa over an axis; SDR: by how much more that rises under shift than"
        f" unshifted.{kappa} !: the 95% interval of this number alone says worse; ?: no interval.",
    )
