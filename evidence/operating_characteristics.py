"""Makes docs/statistics.md: what each function of icl_bench.statistics computes, and how often it errs.

python -m evidence.operating_characteristics [--repetitions 1000] [--out docs/statistics.md]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from evidence.comparison_simulations import (
    Pair,
    Rate,
    alternatives,
    any_of,
    clustered_coverage,
    coverage,
    detectable_power,
    gate,
    headline_weights,
    paired_changes,
    rate,
    tail_verdicts,
)
from evidence.nightly_simulations import (
    ALPHA,
    CELLS,
    MARGIN,
    NIGHTS,
    bank,
    first_alarms,
    fixed_test_nights,
    one_cell_worse,
)
from evidence.paired_losses import Lognormal, LossLaw, RatioOfSquares, SquaredNormal
from evidence.statistics_page import PAGE_TEXT
from icl_bench.arrays import Array

PAGE = Path(__file__).resolve().parent.parent / "docs" / "statistics.md"

LIGHT: tuple[LossLaw, ...] = (SquaredNormal(), Lognormal(2.0), Lognormal(8.0))
HEAVY: tuple[LossLaw, ...] = (RatioOfSquares(3), RatioOfSquares(2), RatioOfSquares(1))
PROMPTS = (256, 1024, 4096)
LESS_SPREAD: Pair = (Lognormal(3.0), Lognormal(2.0))
INTERVALS = ("mean", "ratio of means", "SDR", "AUSC", "median", "change in the gate")
WORSE_CELLS = 4
FEWEST_INTERVALS = 100
"""Fewer tell nothing of how often intervals cover."""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [list(head), ["---"] * len(head), *([str(entry) for entry in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def four_worse(sizes: int = 1) -> Array:
    """Return log ratios (cell * sizes,): a rise of 5% in 4 of 24 cells at every size, none elsewhere."""
    return np.where(np.arange(CELLS * sizes) < WORSE_CELLS * sizes, np.log(1.05), 0.0)


def gate_row(laws: Pair, repetitions: int, prompts: int, sizes: int = 1) -> list[Rate]:
    """Return false red without a change and exactly on the margin, then red and found with a 5% rise in 4 cells."""
    weights = None if sizes == 1 else headline_weights(CELLS, sizes)
    truths = (0.0, float(np.log1p(MARGIN)), four_worse(sizes))
    changes = paired_changes(laws, 1, (repetitions, CELLS * sizes), prompts, sizes, truths)
    same, edge, found = (gate(case, MARGIN, ALPHA, weights) for case in changes)
    by_cell = any_of(found[:, : WORSE_CELLS * sizes].reshape(-1, sizes))
    return [rate(any_of(same)), rate(any_of(edge)), rate(any_of(found)), rate(by_cell)]


def gate_table(repetitions: int) -> str:
    """Return the gate's false and true alarms for every law, with one context size and with four."""
    cases: list[tuple[str, Pair, int, int]] = [
        (law.name, (law, law), prompts, 1) for law in LIGHT for prompts in PROMPTS
    ]
    cases += [(law.name, (law, law), 1024, 1) for law in HEAVY]
    cases += [("lognormal, CV^2 = 2, four context sizes", (Lognormal(2.0), Lognormal(2.0)), 4096, 4)]
    cases += [("lognormal, CV^2 = 3 in base, 2 in head", LESS_SPREAD, prompts, 1) for prompts in PROMPTS]
    rows = [[name, prompts, *gate_row(laws, repetitions, prompts, sizes)] for name, laws, prompts, sizes in cases]
    return table(("losses", "prompts", "no change: red", "all 1% worse: red", "4 of 24 5% worse: red", "found"), rows)


def alternatives_table(repetitions: int) -> str:
    """Return what simpler rules do on the same simulated runs."""
    law = Lognormal(2.0)
    rows: list[list[object]] = []
    for prompts in (256, 4096):
        changes, shifted = paired_changes((law, law), 1, (repetitions, CELLS), prompts, 1, (0.0, four_worse()))
        same, moved = alternatives(changes, MARGIN, ALPHA), alternatives(shifted, MARGIN, ALPHA)
        same["the gate"], moved["the gate"] = (gate(case, MARGIN, ALPHA) for case in (changes, shifted))
        for name, flags in moved.items():
            found = rate(flags[:, :WORSE_CELLS])
            rows.append([name, prompts, rate(any_of(same[name])), rate(any_of(flags)), found])
    return table(("rule", "prompts", "no change: red", "4 of 24 5% worse: red", "found"), rows)


def coverage_table(repetitions: int) -> str:
    """Return the coverage of every interval where the laws have means, and of medians where not."""
    rows = []
    for law in LIGHT + HEAVY:
        for prompts in PROMPTS:
            found = coverage(law, 2, repetitions, prompts)
            rows.append([law.name, prompts, *(found.get(name, "not printed") for name in INTERVALS)])
    return table(("losses", "prompts", *INTERVALS), rows)


def tail_table(repetitions: int) -> str:
    """Return what Hill's estimate says of laws whose tails are known, and which intervals are printed on its word."""
    laws: list[tuple[LossLaw, float]] = [(law, 1.0) for law in LIGHT]
    laws += [(RatioOfSquares(degrees), degrees / (degrees - 2.0)) for degrees in (8, 6, 4, 3)]
    laws += [(RatioOfSquares(degrees), np.nan) for degrees in (2, 1)]
    rows = []
    for law, mean in laws:
        for prompts in PROMPTS:
            has_mean, printed, covered = tail_verdicts(law, mean, 7, repetitions, prompts)
            shown: object = covered if covered.repetitions >= FEWEST_INTERVALS else "too few"
            rows.append([law.name, prompts, has_mean, printed, "no mean" if np.isnan(mean) else shown])
    return table(("losses", "prompts", "says a mean exists", "prints an interval", "printed interval covers"), rows)


def cluster_table(repetitions: int) -> str:
    """Return the coverage of intervals over clusters."""
    rows = []
    for shape in (4.0, 1.0):
        for clusters in (16, 32, 64):
            found = clustered_coverage(shape, 4, repetitions, clusters)
            names = list(found)
            rows.append([f"{1 / shape:g}", clusters, *found.values()])
    return table(("CV^2 of the shared level", "clusters", *names), rows)


def power_table(repetitions: int) -> str:
    """Return the power at the change that is called detectable."""
    rows = [
        [law.name, prompts, detectable_power(law, 5, repetitions, prompts, ALPHA / CELLS)]
        for law in LIGHT
        for prompts in PROMPTS
    ]
    return table(("losses", "prompts", "found"), rows)


NIGHTLY: tuple[Pair, ...] = (*((law, law) for law in LIGHT), LESS_SPREAD)


def false_alarm_table(repetitions: int) -> str:
    """Return the share of years with a false alarm."""
    rows = []
    for laws in NIGHTLY:
        name = laws[0].name if laws[0] == laws[1] else "lognormal, CV^2 = 3 in base, 2 in head"
        for prompts in (256, 1024):
            drawn = bank(laws, 6, 40 * repetitions, prompts)
            years = [
                rate(first_alarms(drawn, 7, repetitions, np.full(CELLS, truth)) <= NIGHTS)
                for truth in (0.0, np.log1p(MARGIN))
            ]
            rows.append([name, prompts, *years])
    return table(("losses", "prompts a night", "no change: alarm", "all 1% worse: alarm"), rows)


def delay_table(repetitions: int) -> str:
    """Return the median nights until a rise beyond the margin is found, beside tests at one chosen night."""
    rows = []
    for prompts in (256, 1024):
        law = Lognormal(2.0)
        drawn = bank((law, law), 6, 40 * repetitions, prompts)
        stderr = float(np.sqrt(np.square(drawn.stderr).mean()))
        for rise in (0.02, 0.05, 0.1):
            first = first_alarms(drawn, 8, repetitions, one_cell_worse(rise))
            fixed = [f"{fixed_test_nights(stderr, rise, power):.0f}" for power in (0.5, 0.9)]
            last = [int(np.quantile(first, level, method="higher")) for level in (0.5, 0.9)]
            nights = [str(night) if night <= NIGHTS else f"after {NIGHTS}" for night in last]
            rows.append([f"{rise:.0%}", prompts, nights[0], nights[1], *fixed, rate(first <= NIGHTS)])
    head = ("rise beyond the margin", "prompts a night", "median night", "90% by night")
    return table((*head, "one test, power 50%", "one test, power 90%", "found within the year"), rows)


TABLES: dict[str, tuple[Callable[[int], str], int]] = {
    "gate": (gate_table, 4),
    "alternatives": (alternatives_table, 1),
    "coverage": (coverage_table, 4),
    "clusters": (cluster_table, 4),
    "tails": (tail_table, 2),
    "power": (power_table, 4),
    "false_alarms": (false_alarm_table, 1),
    "delays": (delay_table, 1),
}
"""Each table's maker, and how many times the repetitions it takes (rates near 5% and 95% need the most)."""


def page(repetitions: int, workers: int = 2) -> str:
    """Return the whole page; every table is simulated anew from fixed seeds, whatever the number of workers."""
    with ProcessPoolExecutor(workers) as pool:
        made = {name: pool.submit(make, times * repetitions) for name, (make, times) in TABLES.items()}
        tables = {name: future.result() for name, future in made.items()}
    return PAGE_TEXT.format(repetitions=f"{repetitions:,}", many=f"{4 * repetitions:,}", nights=NIGHTS, **tables)


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=PAGE)
    arguments = parser.parse_args()
    arguments.out.write_text(page(arguments.repetitions, arguments.workers), encoding="utf-8")


if __name__ == "__main__":
    main()
