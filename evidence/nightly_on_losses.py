"""How often the nightly gate is red on the losses of a real run: without a change, and with one that is known.

    icl-bench run quick.toml --prompts 20480 --out results/many      (context_sizes = [16] makes it quick)
    python -m evidence.nightly_on_losses results/many --states 200

Each night draws 1,024 of the run's prompts, the same at every severity; HEAD answers them with the losses of the run
times factors as in evidence/gate_on_losses.py, drawn anew for every loss (with `--whole-night` also one that all losses
of a night share, which the gate assumes not to exist). A state is a number of nights from its first on. All nights of a
cell are computed at once; a test holds that a night is what `compare --sequential` makes of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evidence.gate_on_losses import ALPHA, MARGIN
from evidence.nightly_simulations import alarm_nights
from icl_bench.arrays import Array, Array32, Integers
from icl_bench.compare.limits import RELATIVE_FLOOR, Limits
from icl_bench.statistics.contrasts import adverse_change
from icl_bench.statistics.effective_number import FEWEST_EFFECTIVE, effective_number
from icl_bench.tables.loss_sets import StoredLosses
from icl_bench.tables.schema import PROMPTS
from icl_bench.tables.stored_losses import open_losses

METRIC, SIGNAL = "squared_error", "zero_error"


@dataclass(frozen=True, slots=True)
class Answered:
    """The losses of one model at one severity, at the headline size, and what predicting zero loses there."""

    name: str
    losses: Array32  # (prompt,)
    signal: Array32  # (prompt,)
    may_have_mean: bool  # whether no declared tail index is 1 or less


@dataclass(frozen=True, slots=True)
class Plan:
    """What each night is."""

    spread: float  # of the factor that each loss of HEAD has, lognormal with mean 1
    rise: float = 1.0
    whole_night: float = 0.0  # spread of a factor that all losses of a night share
    nights: int = 30
    prompts: int = 1024


def read_cells(losses: StoredLosses) -> list[Answered]:
    """Return every cell of a run that answered."""
    found = []
    for own in losses.sets:
        if own.cluster_size != 1:
            raise ValueError(f"{own.name}: prompts that share a random part are not drawn one by one")
        held = losses.read(own, [METRIC, SIGNAL], [own.headline_size])
        at = own.context_sizes.index(own.headline_size)
        for model, columns in held.items():
            if model != PROMPTS and METRIC in columns:
                index = own.cells[model].tails[METRIC][at]
                is_sound = index is None or not index <= 1.0
                name = f"{model}, {own.place.name}"
                found.append(Answered(name, columns[METRIC][:, 0], held[PROMPTS][SIGNAL][:, 0], is_sound))
    return found


def night_values(cell: Answered, chosen: Integers, factors: Array32) -> tuple[Array, Array]:
    """Return what `chosen` prompts (prompt, night) with `factors` on HEAD's losses say: log ratio, standard error.

    The first night settles whether losses are cut; a log ratio enters less its charge (compare/nightly/gate.py).
    """
    base = cell.losses[chosen]
    head = base * factors
    signal = cell.signal[chosen].astype(np.float64)
    first = np.concatenate([base[:, :1], head[:, :1]], axis=1)
    if not (cell.may_have_mean and (effective_number(first) >= FEWEST_EFFECTIVE).all()):
        cut = Limits(0.0, np.sqrt(signal).mean(axis=0)).cut(base)
        base, head = np.minimum(base, cut), np.minimum(head, cut)
    found = adverse_change(base, head, RELATIVE_FLOOR * signal.mean(axis=0))
    return found.value - found.charge, found.stderr


def state_alarms(cells: Sequence[Answered], plan: Plan, seed: int) -> Integers:
    """Return the night of every cell's alarm (cell,), `plan.nights` + 1 where there is none."""
    rng = np.random.default_rng([seed, 1])
    many = len(cells[0].losses)
    chosen = np.stack([rng.choice(many, min(plan.prompts, many), replace=False) for _ in range(plan.nights)], axis=1)
    shared = plan.rise * np.exp(plan.whole_night * rng.standard_normal(plan.nights))
    sigma = float(np.sqrt(np.log1p(plan.spread**2)))
    estimate, stderr = np.empty((2, plan.nights, len(cells)))
    for at, cell in enumerate(cells):
        noise = rng.standard_normal(chosen.shape, dtype=np.float32)
        factors = np.exp(np.float32(sigma) * noise - np.float32(0.5 * sigma**2)) * shared.astype(np.float32)
        estimate[:, at], stderr[:, at] = night_values(cell, chosen, factors)
    return alarm_nights(estimate, stderr, chosen.shape[0] - 1.0, MARGIN, ALPHA)


def main() -> None:
    """Print how often a state is red without a change, and how soon with one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--states", type=int, default=200)
    parser.add_argument("--powered", type=int, default=50)
    parser.add_argument("--spreads", type=float, nargs="*", default=[0.05, 0.3])
    parser.add_argument("--whole-night", type=float, default=0.0, help="spread of a factor that a night shares")
    asked = parser.parse_args()
    cells = read_cells(open_losses(asked.run))
    for spread in asked.spreads:
        plan = Plan(spread, whole_night=asked.whole_night)
        red = sum(int(state_alarms(cells, plan, seed).min() <= plan.nights) for seed in range(asked.states))
        print(f"no change, jitter {spread:.0%}: {red} of {asked.states} states of {plan.nights} nights red", flush=True)
    rise = Plan(0.05, 1.05, asked.whole_night, nights=10)
    firsts = np.stack([state_alarms(cells, rise, seed) for seed in range(asked.powered)])
    soon, named = (firsts.min(axis=1) <= 3).sum(), (firsts <= rise.nights).mean()
    print(f"all cells +5%, jitter 5%: red by the third night in {soon} of {asked.powered}; {named:.1%} named after ten")


if __name__ == "__main__":
    main()
