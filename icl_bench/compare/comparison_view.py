"""A comparison in parts: what got worse, what got better, what lacks, and every model on every scenario."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from icl_bench.compare import wording
from icl_bench.compare.amounts import counted, interval, magnitude, percent, probability, size_list, where
from icl_bench.compare.changes import MEAN
from icl_bench.compare.comparison import Comparison
from icl_bench.compare.comparison_record import record
from icl_bench.compare.judging import EQUAL, IMPROVEMENT, NO_WORSE, REGRESSION, UNDECIDED, VERDICTS, JudgedCell
from icl_bench.compare.view import Annotation, Case, Part, View
from icl_bench.errors import EXIT_INCOMPLETE, EXIT_REGRESSION
from icl_bench.formatting import printable, short
from icl_bench.rendering.table import BETTER, SAME, UNSURE, WORSE, Cell, Row, Table, of_rows
from icl_bench.scores.records import AUSC, SDR, RunScore

SHOWN = {REGRESSION: 20, IMPROVEMENT: 10}
"""Changed cells that a table shows; the table of every cell has the others."""

_OF_CELL = ("model", "scenario")
_MARKS = {REGRESSION: "!", IMPROVEMENT: "*", UNDECIDED: "?", NO_WORSE: " ", EQUAL: ""}
_STANDINGS = {REGRESSION: WORSE, IMPROVEMENT: BETTER, UNDECIDED: UNSURE, NO_WORSE: "", EQUAL: SAME}
_LEGEND = (
    "!: a regression (at the headline context size or another); *: an improvement; ?: the 95% interval reaches beyond"
    " the margin, so too noisy to tell; =: equal to the bit. Changes are of the mean risk after the headline number of"
    " examples (cut: of losses that count up to a limit, see above); each interval is of its cell alone."
)


def view(comparison: Comparison) -> View:
    """Return what every format shows of a comparison."""
    ends = {EXIT_REGRESSION: WORSE, EXIT_INCOMPLETE: UNSURE}
    return View(
        verdict=wording.verdict(comparison),
        standing=ends.get(comparison.exit_code, SAME),
        exit_code=comparison.exit_code,
        head=wording.head(comparison),
        parts=tuple(_parts(comparison)),
        cases=tuple(_cases(comparison)),
        annotations=tuple(_annotations(comparison)),
        record=record(comparison),
    )


def _parts(comparison: Comparison) -> Iterator[Part]:
    for verdict, title in ((REGRESSION, "Regressions"), (IMPROVEMENT, "Improvements")):
        cells = sorted(comparison.of(verdict), key=_harm, reverse=verdict == REGRESSION)
        if cells:
            shown = SHOWN[verdict]
            more = (f"the {shown} largest of {len(cells):,}",) if len(cells) > shown else ()
            yield Part(title, more, _cell_table(cells[:shown], verdict))
    if comparison.changes.uncompared:
        yield Part("Not compared", wording.uncompared_lines(comparison.changes.uncompared))
    changed = [judged for judged in comparison.cells if judged.verdict != EQUAL]
    if changed:
        yield Part("Worst change on each scenario", _equal_models(comparison), _overview(comparison))
        yield Part("", (_LEGEND,))
    if comparison.skills.changes or comparison.skills.note:
        yield Part("Change of skill under shift", wording.skill_lines(comparison), _skill_table(comparison))
    if comparison.scores.scores:
        yield Part("Change of the run-level scores", wording.scores_lines(comparison), _scores_table(comparison))
    if comparison.cells:
        cells = sorted(comparison.cells, key=lambda judged: VERDICTS.index(judged.verdict))
        yield Part("Every cell", (), _detail_table(cells), detail=True)


def _harm(judged: JudgedCell) -> float:
    return judged.found.harm


def _log_change(judged: JudgedCell) -> float:
    return float(judged.found.change.value[judged.found.headline])


def _cell_table(cells: Sequence[JudgedCell], verdict: str) -> Table:
    """Return one row per changed cell: how much, how sure, at which context sizes."""
    rows = []
    for judged in cells:
        found, at = judged.found, judged.found.headline
        p_values, sizes = (
            (judged.p_worse, judged.worse_sizes) if verdict == REGRESSION else (judged.p_better, judged.better_sizes)
        )
        texts = (
            Cell(_change(judged), _STANDINGS[verdict]),
            Cell(interval(float(judged.low[at]), float(judged.high[at]))),
            Cell(probability(float(p_values.min()))),
            Cell(size_list(sizes, found.sizes)),
        )
        rows.append(Row((found.cell.model, found.cell.place.name), texts))
    return of_rows(_OF_CELL, ("change", "95% interval", "p", "significant at"), rows)


def _change(judged: JudgedCell) -> str:
    text = percent(_log_change(judged))
    return text if judged.found.statistic == MEAN else f"cut {text}"


def _detail_table(cells: Sequence[JudgedCell]) -> Table:
    """Return one row per cell, marked as in the overview."""
    rows = []
    for judged in cells:
        found, at = judged.found, judged.found.headline
        known = not found.equal
        change = f"{_change(judged)}{_MARKS[judged.verdict]}" if known else "="
        texts = (
            Cell(change, _STANDINGS[judged.verdict]),
            Cell(interval(float(judged.low[at]), float(judged.high[at])) if known else ""),
            Cell(probability(float(judged.p_worse.min())) if known else ""),
            Cell("" if judged.detectable is None else magnitude(judged.detectable)),
        )
        rows.append(Row((found.cell.model, found.cell.place.name), texts))
    return of_rows(_OF_CELL, ("change", "95% interval", "p of worse", "detectable"), rows)


def _equal_models(comparison: Comparison) -> tuple[str, ...]:
    """Return a line that names the models of which nothing changed, so that the table need not."""
    models = [name for name in _models(comparison.cells) if name not in _changed_models(comparison)]
    if not models:
        return ()
    return (f"equal to the bit wherever compared: {', '.join(models)}",)


def _models(cells: Sequence[JudgedCell]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(judged.found.cell.model for judged in cells))


def _changed_models(comparison: Comparison) -> tuple[str, ...]:
    return _models([judged for judged in comparison.cells if judged.verdict != EQUAL])


def _overview(comparison: Comparison) -> Table:
    """Return changed models x scenarios: of each scenario's severities the one that stands worst."""
    scenarios = tuple(dict.fromkeys(judged.found.cell.place.scenario for judged in comparison.cells))
    held: dict[tuple[str, str], list[JudgedCell]] = {}
    for judged in comparison.cells:
        held.setdefault((judged.found.cell.model, judged.found.cell.place.scenario), []).append(judged)
    rows = (
        Row((model,), tuple(_worst(held.get((model, scenario), ())) for scenario in scenarios))
        for model in _changed_models(comparison)
    )
    return of_rows(("",), scenarios, rows)


def _worst(cells: Sequence[JudgedCell]) -> Cell:
    if not cells:
        return Cell("-", SAME)
    found = [judged for judged in cells if judged.verdict != EQUAL]
    if not found:
        return Cell("=", SAME)
    worst = max(found, key=lambda judged: (judged.verdict == REGRESSION, _harm(judged)))
    return Cell(percent(_log_change(worst)) + _MARKS[worst.verdict], _STANDINGS[worst.verdict])


def _skill_table(comparison: Comparison) -> Table:
    """Return changed models: skill in both runs, by how much it moved, and the interval of that."""
    rows = []
    for item in comparison.skills.changes:
        if item.change == 0.0 and item.low == item.high == 0.0:
            continue
        known = item.low is not None and item.high is not None
        ends = f"{item.low:+.3f} to {item.high:+.3f}" if known else "no interval"
        texts = (f"{item.base:.3f}", f"{item.head:.3f}", f"{item.change:+.3f}", ends)
        rows.append(Row((item.model,), tuple(map(Cell, texts))))
    return of_rows(("",), ("BASE", "HEAD", "change", "95% interval"), rows)


def _scores_table(comparison: Comparison) -> Table:
    """Return changed models x axes: by how much AUSC moved, and by what factor SDR."""
    scores = comparison.scores
    axes = dict.fromkeys(score.scenario for score in scores.scores)
    titles = [f"{axis}/{title}" for axis in axes for title in ("AUSC", "SDR")]
    found = {(score.name, score.model, score.scenario): score for score in scores.scores}
    rows = (
        Row((model,), tuple(_score_change(found.get((name, model, axis))) for axis in axes for name in (AUSC, SDR)))
        for model in _changed_models(comparison)
    )
    return of_rows(("",), titles, rows)


def _score_change(score: RunScore | None) -> Cell:
    """Return the change of one score, coloured where its interval leaves out no change."""
    if score is None or score.value is None:
        return Cell("-", SAME)
    unchanged = 0.0 if score.name == AUSC else 1.0
    if score.value == score.low == score.high == unchanged:
        return Cell("=", SAME)
    mark = standing = ""
    if score.low is None or score.high is None:
        mark = "?"
    elif not score.low <= unchanged <= score.high:
        worse = score.low > unchanged
        standing, mark = (WORSE, "!") if worse else ("", "")  # a ratio to one's own unshifted risk: no improvement
    if score.name == SDR:
        return Cell(percent(math.log(score.value)) + mark, standing)
    sign = "+" if score.value > 0.0 else "-"
    return Cell(f"{sign}{short(abs(score.value))}{mark}", standing)


def _cases(comparison: Comparison) -> Iterator[Case]:
    for judged in comparison.cells:
        outcome = "failure" if judged.verdict == REGRESSION else "passed"
        yield Case(judged.found.cell.place.scenario, judged.found.cell.name, outcome, _sentence(judged))
    for item in comparison.changes.uncompared:
        outcome = "error" if item.is_incomplete and not comparison.settings.allow_missing else "skipped"
        message = f"{item.kind}: BASE {item.base}, HEAD {item.head}: {printable(item.message)}"
        yield Case(item.cell.place.scenario, f"{item.cell.name}, seed {item.seed}", outcome, message)


def _sentence(judged: JudgedCell) -> str:
    """Return a cell's change in words."""
    found, at = judged.found, judged.found.headline
    if found.equal:
        return "equal to the bit"
    worse = judged.verdict != IMPROVEMENT
    sizes, p_values = (judged.worse_sizes, judged.p_worse) if worse else (judged.better_sizes, judged.p_better)
    significant = f"; significant {where(sizes, found.sizes)}" if sizes else ""
    return (
        f"{judged.verdict}: {found.statistic} of the risk {percent(_log_change(judged))}"
        f" ({interval(float(judged.low[at]), float(judged.high[at]))}) after {found.headline_size} examples,"
        f" adjusted p {probability(float(p_values.min()))}{significant}"
    )


def _annotations(comparison: Comparison) -> Iterator[Annotation]:
    if comparison.changes.incomplete:  # first: GitHub shows ten of a level
        lines = wording.uncompared_lines(comparison.changes.incomplete)
        level = "warning" if comparison.settings.allow_missing else "error"
        yield Annotation(level, "Cells are missing or failed", "\n".join(lines))
    for judged in sorted(comparison.of(REGRESSION), key=_harm, reverse=True):
        yield Annotation("error", f"Regression: {judged.found.cell.name}", _sentence(judged))
    undecided = comparison.of(UNDECIDED)
    if undecided:
        detectable = wording.detectable_line(comparison)
        yield Annotation("warning", f"{counted(len(undecided), 'cell')} too noisy to tell", detectable)
    for judged in sorted(comparison.of(IMPROVEMENT), key=_harm):
        yield Annotation("notice", f"Improvement: {judged.found.cell.name}", _sentence(judged))
