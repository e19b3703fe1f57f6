"""Coverage of every interval of skill, and of all rank intervals together.

    icl-bench run quick.toml --prompts 20480 --out results/many      (context_sizes = [16] makes it quick)
    python -m evidence.skill_coverage results/many --resamples 1000

The run's prompts are taken for the whole truth; a sample is drawn from them with replacement, the same prompts at every
severity, and its intervals are held against the skill of all. Clusters of 64 prompts are drawn whole: groups of like
|b|, which no law makes so extreme; or groups by chance that share a draw, as where a law draws a covariance for each:
one factor of b^2 and e^2, and one of e^2 alone, at every severity. Ranks are of models that are made: all equal, in
groups, or spread.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from icl_bench.arrays import Array, Integers
from icl_bench.scores.skill import by_place
from icl_bench.scores.skill_basis import BAYES, axis_of, is_shifted, skill_columns
from icl_bench.scores.skill_cells import cluster_starts
from icl_bench.statistics.ranks import rank_intervals
from icl_bench.statistics.skill import Answerable, MeanSkills, cell_skills, mean_difference
from icl_bench.tables.stored_losses import open_losses

CLUSTER = 64


@dataclass(frozen=True, slots=True)
class Cell:
    """One severity: every model's squared errors, b^2, and its weight in the whole score."""

    name: str
    errors: Array  # (prompt, model)
    square: Array  # (prompt,)
    weight: float


def read_cells(folder: Path) -> tuple[tuple[str, ...], list[Cell]]:
    """Return the models and the shifted cells of a run that have a Bayes prediction."""
    losses = open_losses(folder)
    columns = skill_columns(losses, BAYES)
    assert columns is not None
    places = by_place(losses)
    known = [place for place in places if is_shifted(losses.manifest, place) and columns.known(places[place])]
    models = tuple(losses.manifest.models)
    axes = {axis: {place.scenario for place in known if axis_of(place) == axis} for axis in map(axis_of, known)}
    found = []
    for place in known:
        held = [columns.read(losses, loss_set) for loss_set in places[place]]
        severities = sum(other.scenario == place.scenario for other in known)
        weight = 1.0 / (len(axes) * len(axes[axis_of(place)]) * severities)
        columned = [[own[model][columns.error][:, 0] for model in models] for own in held]
        errors = np.concatenate([np.stack(own, axis=1) for own in columned]).astype(np.float64)
        square = np.concatenate([own[columns.best[0]][columns.best[1]][:, 0] for own in held]).astype(np.float64)
        found.append(Cell(place.name, errors, square, weight))
    return models, found


def scored(cells: Sequence[Cell], rows: Sequence[Integers], starts: Integers) -> tuple[list[Array], MeanSkills]:
    """Return score, low and high of every cell (3, model), and the whole's skill; `rows` are those of each cell."""
    n_models, prompts, count = cells[0].errors.shape[1], len(rows[0]), len(starts)
    parts, total, charge = [], np.zeros(n_models), np.zeros(n_models)
    down, up = np.zeros((prompts, n_models)), np.zeros((prompts, n_models))
    for cell, own in zip(cells, rows, strict=True):
        found = cell_skills(cell.errors[own], Answerable.of(cell.square[own]), starts)
        parts.append(np.stack([found.score, found.low, found.high]))
        total = total + cell.weight * found.score
        charge = charge + cell.weight * found.charge
        down = down + cell.weight * found.influence
        up = up + cell.weight * found.upward
    if count < prompts:
        down, up = (np.add.reduceat(part, starts, axis=0) * (count / prompts) for part in (down, up))
        charge = charge * (count / prompts)
    return parts, MeanSkills(total, charge, down, up)


@dataclass(slots=True)
class Tally:
    """How often intervals held their truth."""

    cells: Array  # (cell, model)
    whole: Array  # (model,)
    pairs: Array  # (model,) of the difference to the first model
    count: int = 0


def with_shared_draws(cells: Sequence[Cell], variation: float, copies: int = 4, seed: int = 0) -> list[Cell]:
    """Return the cells made of clusters of 64 that share draws, `copies` times as many prompts.

    Of b^2 and e^2 a cluster shares a gamma factor of mean 1 and squared coefficient of variation `variation`; of all
    models' e^2 it shares another, of a quarter of that.
    """
    rng = np.random.default_rng(seed)
    many = len(cells[0].square) // CLUSTER * CLUSTER
    rows = np.concatenate([rng.permutation(many) for _ in range(copies)])
    count = len(rows) // CLUSTER
    level, harder = (np.repeat(rng.gamma(1.0 / cv, cv, count), CLUSTER) for cv in (variation, variation / 4.0))
    return [
        Cell(cell.name, cell.errors[rows] * (level * harder)[:, None], cell.square[rows] * level, cell.weight)
        for cell in cells
    ]


def coverage(
    cells: Sequence[Cell], prompts: int, resamples: int, clusters: int = 0, seed: int = 0, is_sorted: bool = True
) -> Tally:
    """Return how many of `resamples` intervals held the truth; `clusters` of 64 prompts, 0 for independent ones.

    Clusters are of prompts of like |b| if `is_sorted`, else of prompts that follow each other.
    """
    rng = np.random.default_rng(seed)
    many, n_models = cells[0].errors.shape
    order = np.arange(many)[None].repeat(len(cells), axis=0)
    if clusters and is_sorted:
        keys = [np.sqrt(cell.square) + 0.3 * rng.standard_normal(many) for cell in cells]
        order = np.stack([np.argsort(key) for key in keys])
    everything = np.arange(many)
    truth, whole = scored(cells, [everything] * len(cells), everything)
    tally = Tally(np.zeros((len(cells), n_models)), np.zeros(n_models), np.zeros(n_models))
    first = MeanSkills(*(part[..., :1] for part in (whole.score, whole.charge, whole.down, whole.up)))
    gaps = whole.score - first.score
    for _ in range(resamples):
        if clusters:
            groups = rng.integers(many // CLUSTER, size=clusters)
            chosen = (groups[:, None] * CLUSTER + np.arange(CLUSTER)).ravel()
            rows = [own[chosen] for own in order]
            starts = cluster_starts([len(chosen)], CLUSTER)
        else:
            chosen = rng.integers(many, size=prompts)
            rows, starts = [chosen] * len(cells), np.arange(prompts)
        parts, found = scored(cells, rows, starts)
        for at, (part, exact) in enumerate(zip(parts, truth, strict=True)):
            tally.cells[at] += (part[1] <= exact[0] + 1e-12) & (exact[0] <= part[2] + 1e-12)
        low, high = found.interval()
        tally.whole += (low <= whole.score + 1e-12) & (whole.score <= high + 1e-12)
        one = MeanSkills(*(np.repeat(part[..., :1], n_models, axis=-1) for part in _parts(found)))
        _, low, high = mean_difference(one, found)
        tally.pairs += (low <= gaps + 1e-12) & (gaps <= high + 1e-12)
        tally.count += 1
    return tally


def _parts(found: MeanSkills) -> tuple[Array, ...]:
    return found.score, found.charge, found.down, found.up


PATTERNS: dict[str, Callable[[int], Array]] = {
    "equal": lambda count: np.full(count, 0.5),
    "grouped": lambda count: np.asarray(0.3 + 0.15 * (np.arange(count) * 4 // count), dtype=np.float64),
    "spread": lambda count: np.linspace(0.1, 0.9, count),
}


def rank_coverage(count: int, pattern: str, runs: int, prompts: int = 512, seed: int = 0) -> float:
    """Return how often the rank intervals of all models hold their ranks together."""
    spreads = np.asarray(PATTERNS[pattern](count))
    rng = np.random.default_rng(seed)
    held = 0
    better = (spreads[None] < spreads[:, None]).sum(axis=1)
    worse = (spreads[None] > spreads[:, None]).sum(axis=1)
    for _ in range(runs):
        b = rng.standard_normal(prompts)
        shared = rng.standard_normal((prompts, 1))
        noise = (shared + rng.standard_normal((prompts, count))) / np.sqrt(2.0)
        found = cell_skills((noise * spreads) ** 2, Answerable.of(b**2), np.arange(prompts))
        low, high = rank_intervals(MeanSkills(found.score, found.charge, found.influence, found.upward))
        # nobody is said to be above or below who is not: equals may have every rank of their group
        held += bool((low <= 1 + better).all() and (high >= count - worse).all())
    return held / runs


INDEPENDENT, SORTED, SHARED, RANKS = PARTS = ("independent", "sorted", "shared", "ranks")
FEW, MANY = (4, 16, 64), (256, 1024, 4096)


def lines(folder: Path, resamples: int, runs: int, parts: Sequence[str]) -> Iterator[str]:
    """Yield the tables that docs/statistics.md holds."""
    models, cells = read_cells(folder)
    yield f"{len(cells)} cells x {len(models)} models, {len(cells[0].square):,} prompts; {resamples} resamples"
    yield "| prompts | cells: mean | cells: least | run level: least to most | differences: least to most |"
    yield "|---|---|---|---|---|"
    names = np.array(models)
    if INDEPENDENT in parts:
        yield from (_row(names, cells, f"{n:,}", coverage(cells, n, resamples)) for n in MANY)
    if SORTED in parts:
        for n in FEW:
            what = f"{n} clusters of 64 of like size"
            yield _row(names, cells, what, coverage(cells, n * CLUSTER, resamples, n))
    for variation in (0.25, 1.0) if SHARED in parts else ():
        made = with_shared_draws(cells, variation)
        for n in FEW:
            what = f"{n} clusters of 64 that share draws, CV^2 {variation:g}"
            yield _row(names, made, what, coverage(made, n * CLUSTER, resamples, n, is_sorted=False))
    if RANKS in parts:
        yield ""
        yield "| models | pattern | all rank intervals hold |"
        yield "|---|---|---|"
        for count in (15, 50):
            for pattern in PATTERNS:
                yield f"| {count} | {pattern} | {rank_coverage(count, pattern, runs):.3f} |"


def _row(names: NDArray[np.str_], cells: Sequence[Cell], what: str, found: Tally) -> str:
    inexact = ~np.isin(names, ["bayes", "zero"])
    rates, whole, pairs = (part / found.count for part in (found.cells, found.whole, found.pairs))
    at = np.unravel_index(int(rates.argmin()), rates.shape)
    return (
        f"| {what} | {rates.mean():.3f} | {rates.min():.3f} ({names[at[1]]}, {cells[int(at[0])].name})"
        f" | {whole[inexact].min():.3f} to {whole[inexact].max():.3f}"
        f" | {pairs[inexact].min():.3f} to {pairs[inexact].max():.3f} |"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    asked = parser.parse_args()
    for line in lines(asked.run, asked.resamples, asked.runs, asked.parts):
        print(line, flush=True)


if __name__ == "__main__":
    main()
