"""What skill promises, held on runs of a suite: range, fixed points, that quitting never pays, ranks over seeds.

    icl-bench run quick --seeds 0,1,2 --out results/three
    icl-bench run quick --seeds 0 --out results/seed-0      (and 1, and 2)
    python -m evidence.skill_properties results/three results/seed-0 results/seed-1 results/seed-2

A twin quits where its model is worse than predicting zero, prompt by prompt, or does not answer a cell at all.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from evidence.skill_coverage import Cell, read_cells, scored
from icl_bench.arrays import Array
from icl_bench.scores.skill import run_skills
from icl_bench.scores.skill_records import OVERALL


def quitting(cell: Cell) -> Cell:
    """Return the cell with no answer to every prompt at which a model is worse than predicting zero."""
    return replace(cell, errors=np.where(cell.errors > cell.square[:, None], np.inf, cell.errors))


def absent(cell: Cell) -> Cell:
    """Return the cell without any answer."""
    return replace(cell, errors=np.full_like(cell.errors, np.inf))


def skills(cells: Sequence[Cell]) -> tuple[Array, Array]:
    """Return skill (cell, model) and overall (model,)."""
    rows = np.arange(len(cells[0].square))
    parts, whole = scored(cells, [rows] * len(cells), rows)
    return np.stack([part[0] for part in parts]), whole.score


def lines(whole: Path, alone: Sequence[Path]) -> Iterator[str]:
    """Yield one finding a line."""
    found = run_skills(whole)
    known = [(score.model, score.skill) for score in found.scores if score.skill is not None]
    values = [skill for _, skill in known]
    yield f"{len(known):,} skills from {min(values):.4f} to {max(values):.4f}"
    fixed = {name: {skill for model, skill in known if model == name} for name in ("zero", "bayes")}
    yield "; ".join(f"{name}: {sorted(held)} in every cell and mean" for name, held in fixed.items())
    _, cells = read_cells(whole)
    here, mean = skills(cells)
    twin, twin_mean = skills([quitting(cell) for cell in cells])
    higher, gain = (twin > here).sum(), (twin - here).max()
    yield f"quitting where worse than zero: higher in {higher} of {here.size} cells, highest gain {gain:.3g}"
    answered = (here > -1.0) & (here < 1.0)
    loss, of_cell = mean - twin_mean, np.median((here - twin)[answered])
    yield f"  overall it loses {loss.min():.4f} to {loss.max():.4f}, a cell {of_cell:.4f} (median)"
    lost = []
    for number, cell in enumerate(cells):
        without, _ = skills([absent(cell)])
        lost.append(here[number] - without[0])
    lower, above, gains = (np.array(lost) > 0.0).sum(), (here > -1.0).sum(), (np.array(lost) < 0.0).sum()
    yield f"not answering a cell: lower in {lower} of the {above} above -1, higher in {gains}"
    everyone = [run_skills(path).of(OVERALL).values() for path in (*alone, whole)]
    ranks = [
        {score.model: (score.rank_low, score.rank_high or 0) for score in scores if score.rank_low is not None}
        for scores in everyone
    ]
    apart = 0
    for one, other in itertools.combinations(ranks, 2):
        for model in one:
            (low, high), (low_too, high_too) = one[model], other[model]
            apart += low > high_too or low_too > high
    yield f"rank intervals over {len(ranks)} runs: {apart} pairs of one model's intervals do not meet"
    for model in sorted(ranks[-1], key=ranks[-1].__getitem__):
        yield f"  {model:<20}" + "  ".join("{}-{}".format(*each[model]) for each in ranks)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("whole", type=Path, help="run of several seeds")
    parser.add_argument("alone", type=Path, nargs="*", help="runs of one seed each")
    chosen = parser.parse_args()
    for line in lines(chosen.whole, chosen.alone):
        print(line)
