"""The gate as it judges runs, not only its parts: it calls worse what the simulated procedure calls worse."""

from __future__ import annotations

import numpy as np
import pytest

from evidence.comparison_simulations import Changes, gate, headline_weights, paired_changes
from evidence.paired_losses import Lognormal
from icl_bench.arrays import Array
from icl_bench.compare.cells import ComparedCell
from icl_bench.compare.changes import CellChange
from icl_bench.compare.judging import EQUAL, IMPROVEMENT, REGRESSION, judge
from icl_bench.places import Place
from icl_bench.statistics.contrasts import Contrast

CELLS, MARGIN, ALPHA, REPETITIONS = 24, 0.01, 0.05, 120
LAWS = (Lognormal(2.0), Lognormal(2.0))


def cells_of(changes: Changes, repetition: int, sizes: int) -> list[CellChange]:
    """One simulated comparison of 24 cells as `judge` gets it, the first context size the headline."""
    value, stderr, charge = (
        array[repetition].reshape(CELLS, sizes) for array in (changes.value, changes.stderr, changes.charge)
    )
    nothing = np.full(sizes, np.nan)
    return [
        CellChange(
            cell=ComparedCell(Place("base", (float(index),)), "model"),
            seeds=(0,),
            n_prompts=1024,
            sizes=tuple(range(sizes)),
            headline=0,
            equal=False,
            by_mean=np.ones(sizes, dtype=bool),
            base_risk=nothing,
            head_risk=nothing,
            change=Contrast(value[index], stderr[index], changes.degrees, charge[index]),
        )
        for index in range(CELLS)
    ]


@pytest.mark.parametrize("sizes", [1, 4])
def test_the_judge_is_the_simulated_gate(sizes: int) -> None:
    truth: Array = np.where(np.arange(CELLS * sizes) < 4 * sizes, np.log(1.05), np.log1p(MARGIN))
    (changes,) = paired_changes(LAWS, 3, (REPETITIONS, CELLS * sizes), 1024, sizes, [truth])
    weights = None if sizes == 1 else headline_weights(CELLS, sizes)
    expected = gate(changes, MARGIN, ALPHA, weights).reshape(REPETITIONS, CELLS, sizes).any(-1)
    for repetition in range(REPETITIONS):
        judged = judge(cells_of(changes, repetition, sizes), MARGIN, ALPHA)
        assert [item.verdict == REGRESSION for item in judged] == expected[repetition].tolist()
    assert 0.1 < expected[:, :4].mean() < 0.9  # so that both answers were seen often


def test_no_change_is_red_in_at_most_one_run_in_twenty() -> None:
    (changes,) = paired_changes(LAWS, 4, (REPETITIONS, CELLS), 1024)
    verdicts = [{item.verdict for item in judge(cells_of(changes, r, 1), MARGIN, ALPHA)} for r in range(REPETITIONS)]
    assert sum(REGRESSION in found for found in verdicts) <= 0.05 * REPETITIONS
    assert sum(IMPROVEMENT in found for found in verdicts) <= 0.05 * REPETITIONS


def test_cells_equal_to_the_bit_are_never_judged_otherwise() -> None:
    nothing = Contrast(np.zeros(1), np.zeros(1), 1023.0)
    equal = [
        CellChange(
            ComparedCell(Place("base", (None,)), f"m{index}"), (0,), 1024, (16,), 0, True, np.ones(1, dtype=bool),
            np.zeros(1), np.zeros(1), nothing,
        )
        for index in range(3)
    ]  # fmt: skip
    assert {item.verdict for item in judge(equal, 0.0, ALPHA)} == {EQUAL}
