"""A nightly gate in parts: alarms, the cells that lead, what lacks tonight."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from icl_bench.compare import wording
from icl_bench.compare.amounts import counted, level, magnitude, percent
from icl_bench.compare.changes import MEAN
from icl_bench.compare.comparison_record import cell_record, uncompared_records
from icl_bench.compare.nightly.evidence import Standing
from icl_bench.compare.nightly.gate import Nightly
from icl_bench.compare.view import Annotation, Case, Part, View
from icl_bench.errors import EXIT_INCOMPLETE, EXIT_REGRESSION
from icl_bench.formatting import printable, short
from icl_bench.rendering.table import SAME, UNSURE, WORSE, Cell, Row, Table, of_rows

LEADING = 10
"""Cells with the largest e-values that are shown unless everything is asked for."""
_NORMAL_95 = 1.959963984540054


def view(nightly: Nightly) -> View:
    """Return what every format shows of a nightly gate."""
    ends = {EXIT_REGRESSION: WORSE, EXIT_INCOMPLETE: UNSURE}
    return View(
        verdict=_verdict(nightly),
        standing=ends.get(nightly.exit_code, SAME),
        exit_code=nightly.exit_code,
        head=tuple(_head(nightly)),
        parts=tuple(_parts(nightly)),
        cases=tuple(_cases(nightly)),
        annotations=tuple(_annotations(nightly)),
        record=_record(nightly),
    )


def _verdict(nightly: Nightly) -> str:
    alarms, looks = nightly.alarms, len(nightly.state.looks)
    lacking = "" if nightly.recorded else "; tonight was not recorded: " + _why_not_recorded(nightly)
    if alarms:
        since = min(standing.alarmed for standing in alarms)
        return (
            f"ALARM: {counted(len(alarms), 'cell')} got worse by more than {level(nightly.state.margin)}"
            f" (since {since}){lacking}"
        )
    if not nightly.recorded:
        return f"INCOMPLETE: tonight was not recorded: {_why_not_recorded(nightly)}"
    return f"PASS: no alarm among {counted(len(nightly.standings), 'cell')} in {counted(looks, 'night')}"


def _why_not_recorded(nightly: Nightly) -> str:
    return wording.incomplete(nightly.tonight) or "nothing was compared"


def _head(nightly: Nightly) -> Iterator[str]:
    state = nightly.state
    yield f"{state.suite} version {state.suite_version}: tonight BASE {nightly.base}, HEAD {nightly.head}"
    yield (
        f"{state.metric} after the headline number of examples; margin {level(state.margin)}; the chance of any"
        f" false alarm over all nights is at most {state.alpha:g}: an alarm is an e-value of {1.0 / state.alpha:g}"
    )
    yield f"state: {nightly.path}, {counted(len(state.looks), 'night')}"
    if nightly.alarms:
        yield "an alarm stands until the state is renewed: mend or accept the change, then begin a new state file"
    if nightly.allow_missing and (lacking := wording.incomplete(nightly.tonight)):
        yield f"{lacking} tonight, which --allow-missing lets pass"
    yield from (f"note: {printable(text)}" for text in nightly.tonight.notes)


def _parts(nightly: Nightly) -> Iterator[Part]:
    ordered = sorted(nightly.standings, key=lambda standing: (not standing.alarmed, -standing.log_e))
    if nightly.alarms:
        yield Part("Alarms", (), _table([standing for standing in ordered if standing.alarmed]))
    others = [standing for standing in ordered if not standing.alarmed]
    if others:
        yield Part("Leading", (), _table(others[:LEADING]))
    if nightly.tonight.uncompared:
        yield Part("Not compared tonight", wording.uncompared_lines(nightly.tonight.uncompared))
    if len(others) > LEADING:
        yield Part("Every cell", (), _table(ordered), detail=True)


def _table(found: Sequence[Standing]) -> Table:
    titles = ("e-value", "nights", "prompts", "change", "95%", "alarm")
    return of_rows(("model", "scenario"), titles, map(_row, found))


def _row(standing: Standing) -> Row:
    change = percent(standing.log_change)
    cells = (
        Cell(_e_value(standing.log_e), WORSE if standing.alarmed else ""),
        Cell(f"{standing.nights:,}"),
        Cell(f"{standing.n_prompts:,}"),
        Cell(change if standing.statistic == MEAN else f"cut {change}"),
        Cell(f"±{magnitude(_NORMAL_95 * standing.stderr)}" if math.isfinite(standing.stderr) else ""),
        Cell(standing.alarmed[:10]),
    )
    return Row((standing.cell.model, standing.cell.place.name), cells)


def _e_value(log_e: float) -> str:
    return short(math.exp(log_e)) if log_e < 700.0 else ">1e304"


def _sentence(standing: Standing) -> str:
    alarm = f"; alarm since {standing.alarmed}" if standing.alarmed else ""
    change = f"{standing.statistic} of the risk {percent(standing.log_change)}"
    return (
        f"e-value {_e_value(standing.log_e)} after {counted(standing.nights, 'night')} and"
        f" {counted(standing.n_prompts, 'prompt')}; {change}{alarm}"
    )


def _cases(nightly: Nightly) -> Iterator[Case]:
    for standing in nightly.standings:
        outcome = "failure" if standing.alarmed else "passed"
        yield Case(standing.cell.place.scenario, standing.cell.name, outcome, _sentence(standing))
    for item in nightly.tonight.uncompared:
        outcome = "error" if item.is_incomplete and not nightly.allow_missing else "skipped"
        message = f"{item.kind} tonight: BASE {item.base}, HEAD {item.head}: {printable(item.message)}"
        yield Case(item.cell.place.scenario, f"{item.cell.name}, seed {item.seed}", outcome, message)


def _annotations(nightly: Nightly) -> Iterator[Annotation]:
    if nightly.tonight.incomplete:
        level = "warning" if nightly.allow_missing else "error"
        lines = wording.uncompared_lines(nightly.tonight.incomplete)
        yield Annotation(level, "Cells are missing or failed", "\n".join(lines))
    for standing in sorted(nightly.alarms, key=lambda standing: -standing.log_e):
        yield Annotation("error", f"Nightly alarm: {standing.cell.name}", _sentence(standing))


def _record(nightly: Nightly) -> dict[str, object]:
    state = nightly.state
    return {
        "format": "icl-bench nightly gate",
        "format_version": 1,
        "state": str(nightly.path),
        "base": str(nightly.base),
        "head": str(nightly.head),
        "recorded": nightly.recorded,
        "suite": state.suite,
        "suite_version": state.suite_version,
        "metric": state.metric,
        "margin": state.margin,
        "alpha": state.alpha,
        "scale": state.scale,
        "nights": [look.time for look in state.looks],
        "cells": [
            {
                **cell_record(standing.cell),
                "statistic": standing.statistic,
                "nights": standing.nights,
                "n_prompts": standing.n_prompts,
                "log_e_value": standing.log_e,
                "change": math.expm1(standing.log_change),
                "stderr_of_log": standing.stderr,
                "alarmed": standing.alarmed or None,
            }
            for standing in nightly.standings
        ],
        "not_compared": uncompared_records(nightly.tonight.uncompared),
        "notes": list(nightly.tonight.notes),
    }
