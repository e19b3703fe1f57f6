"""How often the gate is red on the losses of a real run: without a change, and with one that is known.

    python -m evidence.gate_on_losses results/quick --runs 400

HEAD is the run itself, every loss times a factor of mean 1 that leaves the risks as they were: lognormal of spread 5%
or 30%, half of its variance shared by the context sizes of a prompt, or 1.5 and 0.5 for prompts chosen by halves.
Learners whose losses are heavy-tailed are among the models. A rise multiplies the losses of cells on top of that.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from icl_bench.arrays import Array
from icl_bench.compare.comparison import find_changes
from icl_bench.compare.judging import REGRESSION, JudgedCell, judge
from icl_bench.tables.loss_sets import LossSet, ModelLosses, StoredLosses
from icl_bench.tables.schema import PROMPTS
from icl_bench.tables.stored_losses import open_losses

MARGIN, ALPHA, SHARED = 0.01, 0.05, 0.5
Factor = Callable[[np.random.Generator, tuple[int, int]], Array]


class Held:
    """A run's losses, read once."""

    def __init__(self, losses: StoredLosses, metric: str, signal: str) -> None:
        self.folder, self.manifest = losses.folder, losses.manifest
        self.sets = tuple(self._lean(loss_set, metric) for loss_set in losses.sets)
        self._held = {
            own.key: losses.read(old, [metric, signal]) for own, old in zip(self.sets, losses.sets, strict=True)
        }

    @staticmethod
    def _lean(loss_set: LossSet, metric: str) -> LossSet:
        cells = {
            model: cell if model == PROMPTS or metric in cell.tails else dataclasses.replace(cell, status="skipped")
            for model, cell in loss_set.cells.items()
        }
        return dataclasses.replace(loss_set, cells=cells)

    def read(self, loss_set: LossSet, columns: Sequence[str], sizes: Sequence[int] | None = None) -> ModelLosses:
        """Return what was read."""
        positions = loss_set.positions(sizes)
        held = self._held[loss_set.key]
        return {
            model: {name: values[:, positions] for name, values in own.items() if name in columns}
            for model, own in held.items()
        }


class Moved(Held):
    """The same run after a change that is known."""

    def __init__(self, base: Held, metric: str, factor: Factor, rises: dict[tuple[str, str], float], seed: int) -> None:
        self.folder, self.manifest, self.sets = Path("head"), base.manifest, base.sets
        rng = np.random.default_rng(seed)
        self._held = {}
        for loss_set in base.sets:
            held: ModelLosses = {}
            for model, own in base._held[loss_set.key].items():
                held[model] = dict(own)
                if model != PROMPTS and metric in own:
                    rise = rises.get((loss_set.place.name, model), rises.get(("", ""), 1.0))
                    moved = own[metric] * factor(rng, own[metric].shape) * rise
                    held[model][metric] = moved.astype(np.float32)
            self._held[loss_set.key] = held


def jitter(spread: float) -> Factor:
    """Return lognormal factors of mean 1; half of their variance is shared by the sizes of a prompt."""
    sigma = float(np.sqrt(np.log1p(spread**2)))

    def factors(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
        own, shared = rng.standard_normal(shape), rng.standard_normal((shape[0], 1))
        found: Array = np.exp(sigma * (np.sqrt(SHARED) * shared + np.sqrt(1.0 - SHARED) * own) - 0.5 * sigma**2)
        return found

    return factors


def halves(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Return 1.5 for half of the prompts and 0.5 for the others."""
    found: Array = np.where(rng.permutation(shape[0]) % 2 == 0, 1.5, 0.5)[:, None] * np.ones(shape)
    return found


def judged(base: Held, head: Held, metric: str) -> tuple[JudgedCell, ...]:
    """Return the verdicts of one comparison."""
    changes = find_changes(base, head, metric, headline_only=False)
    return judge(changes.cells, MARGIN, ALPHA)


def red(cells: Sequence[JudgedCell]) -> bool:
    """Tell whether any cell is called worse."""
    return any(cell.verdict == REGRESSION for cell in cells)


def main() -> None:
    """Print how often the gate is red, and how many of the risen cells it names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--powered", type=int, default=20)
    asked = parser.parse_args()
    metric, signal = "squared_error", "zero_error"
    base = Held(open_losses(asked.run), metric, signal)
    for name, factor in (("jitter 5%", jitter(0.05)), ("jitter 30%", jitter(0.3)), ("x1.5 or x.5", halves)):
        count = sum(red(judged(base, Moved(base, metric, factor, {}, seed), metric)) for seed in range(asked.runs))
        print(f"no change, {name}: red in {count} of {asked.runs}", flush=True)
    for rise, spread in ((1.05, 0.05), (1.2, 0.3)):
        shares = []
        for seed in range(asked.powered):
            found = judged(base, Moved(base, metric, jitter(spread), {("", ""): rise}, seed), metric)
            shares.append(np.mean([cell.verdict == REGRESSION for cell in found if not cell.found.equal]))
        print(f"all cells +{rise - 1:.0%}, jitter {spread:.0%}: {np.mean(shares):.1%} of the cells named", flush=True)
    cells = [
        cell.found.cell
        for cell in judged(base, Moved(base, metric, jitter(0.05), {}, 0), metric)
        if not cell.found.equal
    ]
    for spread in (0.05, 0.3):
        rng, count = np.random.default_rng(1), 0
        for seed in range(asked.runs // 4):
            one = cells[int(rng.integers(len(cells)))]
            rises = {(one.place.name, one.model): 1.2}
            count += red(judged(base, Moved(base, metric, jitter(spread), rises, seed), metric))
        print(f"one cell +20%, jitter {spread:.0%}: red in {count} of {asked.runs // 4}", flush=True)


if __name__ == "__main__":
    main()
